"""Test changing, resetting and confirming a password: events, mails, and the session's id."""

from __future__ import annotations

import pytest
from django.contrib.auth.hashers import get_hasher, make_password
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.test import Client
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from keys.crypto.password_hash import digest_of_hash
from keys.evidence.people_rows import OTHER_PASSWORD, changed_people
from keys.models import User
from tests.cast import CHROME, PASSWORD, email_of, signed_in
from tests.pages.helpers import elements, events, text, words
from tests.support.post_office import deliver

LOGIN = "/accounts/login/"
CHANGE, CONFIRM, RESET = (
    "/accounts/password/change/",
    "/accounts/reauthenticate/",
    "/accounts/password/reset/",
)
NEW = "nine green bottles hang"


def change(browser, old: str = PASSWORD, new: str = NEW):
    return browser.post(CHANGE, {"oldpassword": old, "password1": new, "password2": new})


def told(*types: str) -> list[tuple[str, str, str]]:
    return [
        (event.type, event.outcome, event.actor_email) for event in events(type__in=types) if not event.key_id
    ]


def link_for(email: str) -> str:
    Client().post(RESET, {"email": email})
    [letter] = deliver()
    return next(word for word in str(letter.body).split() if "reset/key" in word)


def test_a_change_is_recorded_and_told_to_the_person(browser_of):
    assert change(browser_of("admin")).status_code == 302
    [event] = events(type="password:change")
    assert (event.outcome, event.actor_email) == ("done", email_of("admin"))
    assert (event.ip, event.browser) == ("127.0.0.1", "Chrome on Linux")
    [letter] = deliver()
    assert letter.to == [email_of("admin")]
    for fact in (
        "Chrome on Linux",
        "127.0.0.1",
        "If this was not you",
        "http://testserver/accounts/password/reset/",
    ):
        assert fact in letter.body
    assert NEW not in repr(vars(event)) + letter.body


def test_a_password_that_was_set_in_the_database_does_not_open_the_portal(browser_of, cast):
    change(browser_of("admin"))
    mine = "a password of a stranger"
    User.objects.filter(pk=cast.admin.pk).update(password=make_password(mine))
    for _ in range(2):
        assert "/accounts/login/" not in log_in(mine).headers.get("Location", "")
        assert not log_in(mine).wsgi_request.user.is_authenticated
    [repair] = events(type="person:repair")
    assert (repair.outcome, repair.actor_id) == ("failed", None)
    assert "The stored password" in repair.reason
    User.objects.filter(pk=cast.admin.pk).update(password=make_password(NEW))
    assert not log_in(NEW).wsgi_request.user.is_authenticated  # the digest is that of the hash
    assert any(OTHER_PASSWORD in one.words for one in changed_people())


def test_a_sign_in_that_hashes_the_password_anew_records_the_new_hash(settings, cast):
    settings.PASSWORD_HASHERS = [
        settings.PASSWORD_HASHERS[0],
        "django.contrib.auth.hashers.ScryptPasswordHasher",
    ]
    old = make_password(PASSWORD, hasher="scrypt")
    User.objects.filter(pk=cast.admin.pk).update(password=old)
    for _ in range(2):
        browser = Client()
        assert log_in(PASSWORD, browser).headers["Location"] == "/"
        assert browser.get("/roles/").status_code == 200
    stored = User.objects.get(pk=cast.admin.pk).password
    assert stored != old
    digests = [event.details.get("password_digest") for event in events(type="session:start")]
    assert digests == [digest_of_hash(stored), None]


def log_in(password: str, browser: Client | None = None):
    return (browser or Client()).post(LOGIN, {"login": email_of("admin"), "password": password})


def test_a_change_with_a_wrong_password_is_recorded_and_not_told(browser_of):
    response = change(browser_of("admin"), old="a guess of a stranger")
    assert "This is not your current password" in text(response)
    [event] = events(type="password:change")
    assert (event.outcome, event.reason) == ("refused", "Wrong password.")
    assert deliver() == []


def test_guesses_at_the_current_password_are_limited(browser_of, cast):
    browser = browser_of("admin")
    for _ in range(10):
        change(browser, old="a guess of a stranger")
    change(browser)
    cast.admin.refresh_from_db()
    assert cast.admin.check_password(PASSWORD)
    assert [event.reason for event in events(type="password:change")][-1] == "Too many attempts."


def test_a_weak_new_password_is_no_guess(browser_of):
    browser = browser_of("admin")
    for _ in range(12):
        change(browser, new="short")
    assert change(browser).status_code == 302


def test_a_reset_is_recorded_and_told_to_the_person(cast):
    browser = Client(headers={"user-agent": CHROME}, REMOTE_ADDR="198.51.100.7")
    browser.post(link_for(email_of("admin")), {"password1": NEW, "password2": NEW})
    [event] = events(type="password:reset")
    assert (event.outcome, event.actor_email) == ("done", email_of("admin"))
    assert (event.ip, event.browser) == ("198.51.100.7", "Chrome on Linux")
    [letter] = deliver()
    assert "was set with a link" in letter.body
    assert "198.51.100.7" in letter.body


@pytest.fixture
def meanwhile(monkeypatch, cast):
    """Return a function: after it, another browser sets a password just before (or after) one is hashed."""
    hasher, stored = type(get_hasher()), make_password("set in another browser")

    def patch(name):
        real = getattr(hasher, name)

        def hook(*args, **kwargs):
            monkeypatch.setattr(hasher, name, real)
            result = real(*args, **kwargs)
            User.objects.filter(pk=cast.admin.pk).update(password=stored)
            return result

        monkeypatch.setattr(hasher, name, hook)

    return patch


@pytest.mark.parametrize("by_link", [False, True])
def test_of_two_changes_at_the_same_moment_the_first_counts(browser_of, cast, meanwhile, by_link):
    """The other one may be the person's, who changes a password because somebody knows it or has the link."""
    link = link_for(email_of("admin"))
    meanwhile("encode")
    if by_link:
        response = Client().post(link, {"password1": NEW, "password2": NEW})
    else:
        response = change(browser_of("admin"))
    assert response.status_code == 409
    cast.admin.refresh_from_db()
    assert cast.admin.check_password("set in another browser")


def test_a_session_does_not_survive_a_change_by_confirming_the_old_password(browser_of, meanwhile):
    browser = browser_of("admin")
    meanwhile("verify")
    assert browser.post(CONFIRM, {"password": PASSWORD}).status_code == 200
    assert browser.get("/roles/").status_code == 302


def test_a_change_fails_with_its_event(browser_of, cast, fill_the_disk):
    browser = browser_of("admin")
    browser.raise_request_exception = False
    fill_the_disk()
    assert change(browser).status_code >= 500
    cast.admin.refresh_from_db()
    assert cast.admin.check_password(PASSWORD)
    assert deliver() == []


def test_confirmations_are_recorded(browser_of):
    browser = browser_of("admin")
    browser.post(CONFIRM, {"password": "wrong"})
    browser.post(CONFIRM, {"password": PASSWORD})
    assert told("session:start", "session:confirm") == [
        ("session:confirm", "refused", email_of("admin")),
        ("session:confirm", "done", email_of("admin")),
    ]
    assert {event.details["method"] for event in events(type="session:confirm")} == {"password"}


def test_a_confirmation_gives_the_session_a_new_id(browser_of):
    browser = browser_of("admin")
    before = browser.cookies["portal"].value
    browser.post(CONFIRM, {"password": PASSWORD})
    assert browser.cookies["portal"].value != before
    assert browser.get("/roles/").status_code == 200
    thief = Client()
    thief.cookies["portal"] = before
    response = thief.get("/roles/")
    assert response.status_code == 302
    assert "portal" not in response.cookies, "a late request with the old id signs nobody out"


def test_a_new_id_is_the_same_session_to_the_record_of_views(browser_of, rf):
    from keys.views.people import session_of

    browser = browser_of("admin")
    seen = []
    for _ in range(3):
        request = rf.get("/")
        request.session = browser.session
        seen.append(session_of(request))
        browser.post(CONFIRM, {"password": PASSWORD})
    assert len(set(seen)) == 1


def test_strangers_who_guess_do_not_stop_a_confirmation(browser_of):
    for number in range(12):
        Client().post("/accounts/login/", {"login": email_of("admin"), "password": f"guess {number}"})
    assert browser_of("admin").post(CONFIRM, {"password": PASSWORD}).status_code == 302


def test_signing_out_clears_what_the_browser_stored(browser_of):
    browser = browser_of("admin")
    assert "Clear-Site-Data" not in browser.get("/accounts/logout/")
    assert browser.post("/accounts/logout/")["Clear-Site-Data"] == '"cache", "storage"'


# Links


def test_nobody_is_mailed_at_an_unknown_address(cast):
    Client().post(RESET, {"email": "stranger@elsewhere.example"})
    assert deliver() == []
    assert mail.outbox == []


def test_known_and_unknown_addresses_cause_the_same_work(cast, django_assert_num_queries):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    counts = []
    for email in (email_of("admin"), "stranger@elsewhere.example"):
        with CaptureQueriesContext(connection) as seen:
            Client().post(RESET, {"email": email})
        counts.append(len(seen))
    assert counts[0] == counts[1]
    assert DBTaskResult.objects.count() == 2


@pytest.mark.parametrize("host", ["testserver:8443", "testserver:80", "testserver"])
def test_links_lead_to_the_portal_whatever_host_is_asked(cast, host):
    Client().post(RESET, {"email": email_of("admin")}, headers={"host": host})
    [letter] = deliver()
    links = [word for word in str(letter.body).split() if "://" in word]
    assert len(links) == 2
    assert all(link.startswith("http://testserver/") or link == "http://testserver" for link in links)


def test_nobody_is_flooded_with_links_and_each_link_works(cast):
    first = link_for(email_of("admin"))
    for _ in range(10):
        assert Client().post(RESET, {"email": email_of("admin")}).status_code == 302
    assert len(deliver()) == 2
    assert "Set your password" in text(Client().get(first))


def test_a_link_signs_nobody_out(browser_of, cast):
    browser = browser_of("owner")
    assert browser.get(link_for(email_of("admin"))).status_code == 200
    assert browser.get("/roles/").status_code == 200


def test_a_mail_that_was_not_accepted_is_sent_later(cast, settings, monkeypatch):
    settings.EMAIL_BACKEND = f"{__name__}.Refusing"
    Client().post(RESET, {"email": email_of("admin")})
    assert deliver() == []
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert deliver() == [], "not at once"
    DBTaskResult.objects.update(run_after=timezone.now())
    [letter] = deliver()
    assert "reset/key" in letter.body


class Refusing(EmailBackend):
    def send_messages(self, messages):
        raise ConnectionRefusedError


def test_the_queue_has_no_link(cast):
    Client().post(RESET, {"email": email_of("admin")})
    assert "reset" not in repr(DBTaskResult.objects.get().args_kwargs)


def test_a_person_disabled_meanwhile_gets_no_link(cast):
    Client().post(RESET, {"email": email_of("admin")})
    User.objects.filter(pk=cast.admin.pk).update(is_active=False)
    assert deliver() == []


def test_a_person_who_comes_back_does_not_get_their_old_session_back(cast):
    browser = signed_in(cast.admin)
    User.objects.filter(pk=cast.admin.pk).update(is_active=False)
    assert browser.get("/roles/").status_code == 302
    User.objects.filter(pk=cast.admin.pk).update(is_active=True)
    assert browser.get("/roles/").status_code == 302


@pytest.mark.parametrize(
    "typed", ["  nine green bottles hang  ", "Nine Green Bottles Hang", "nine green " * 12]
)
def test_a_password_is_checked_exactly_as_it_was_typed(cast, typed):
    cast.admin.set_password(typed)
    cast.admin.save()
    near = {typed.strip(), typed.lower(), typed[:64], typed + " "} - {typed}
    for other in near:
        assert (
            Client().post("/accounts/login/", {"login": cast.admin.email, "password": other}).status_code
            == 200
        )
    assert (
        Client().post("/accounts/login/", {"login": cast.admin.email, "password": typed}).status_code == 302
    )


@pytest.mark.parametrize(
    "address", ["/accounts/login/", "/accounts/reauthenticate/", "/accounts/password/change/"]
)
def test_password_fields_are_masked_and_help_password_managers(browser_of, address):
    browser = Client() if address == "/accounts/login/" else browser_of("admin", seconds_ago=600)
    fields = [dict(one.attributes) for one in elements(browser.get(address), "input")]
    passwords = [field for field in fields if "password" in field.get("name", "")]
    assert passwords
    for field in passwords:
        assert field["type"] == "password"
        assert field["autocomplete"] in {"current-password", "new-password"}
        assert not field.get("value")


def test_labels_are_in_sentence_case(browser_of):
    pages = browser_of("admin").get(CHANGE), Client().get(link_for(email_of("user")))
    labels = [[words(label) for label in elements(page, "label")] for page in pages]
    assert labels == [
        ["Current password", "New password", "New password (again)"],
        ["New password", "New password (again)"],
    ]


def test_a_change_is_confirmed_and_says_what_it_ended(browser_of):
    browser, other = browser_of("admin"), browser_of("admin")
    change(browser)
    assert "Your password is changed. Your sessions in other browsers have ended." in text(
        browser.get("/keys/")
    )
    assert other.get("/keys/").status_code == 302
