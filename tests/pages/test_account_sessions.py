"""Test the list of sessions on Your account and on a person's page, and how people and admins end them."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from keys.models import AuditEvent, Session, SessionStore, User
from keys.models.session import hash_of
from keys.selectors.mine.page import my_keys
from keys.views.people import keep_session_mark
from tests.cast import CHROME, PASSWORD, email_of, said_by, signed_in
from tests.pages.helpers import elements, events, links, queries, text, within, words
from tests.support.post_office import deliver

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; rv:140.0) Gecko/20100101 Firefox/140.0"
REASON = {"reason": "A stolen laptop."}


def signing_in(agent: str, ip: str = "192.0.2.7", who: str = "user", password: str = PASSWORD) -> Client:
    browser = Client(headers={"user-agent": agent}, REMOTE_ADDR=ip)
    response = browser.post("/accounts/login/", {"login": email_of(who), "password": password})
    assert response.status_code == 302
    return browser


@pytest.fixture
def here(cast) -> Client:
    return signing_in(CHROME)


@pytest.fixture
def there(here) -> Client:
    """Return another browser of the same person."""
    return signing_in(FIREFOX, "192.0.2.99")


def sessions(page) -> list[str]:
    [shown] = [
        item
        for item in elements(page, "section")
        if dict(item.attributes)["aria-labelledby"].endswith("sessions")
    ]
    return [words(item) for item in within(shown, "li")]


def end(browser: Client, words_: str):
    """Choose the button with these words on Your account."""
    for form in elements(browser.get("/account/"), "form"):
        if words(within(form, "button")[0]) == words_:
            return browser.post(dict(form.attributes)["action"], follow=True)
    raise AssertionError(f"no button {words_}")


def test_the_list_describes_each_session(here, there):
    [this, other] = sorted(sessions(here.get("/account/")))
    assert this.startswith("Chrome on Linux this session IP address 192.0.2.7, last used ")
    assert other.startswith("Firefox on Windows IP address 192.0.2.99, last used ")
    assert "Signed in with password" in other
    assert "(just now)" in other
    assert other.endswith("Sign out : Firefox on Windows")
    assert not this.endswith("Chrome on Linux")


def test_a_person_ends_one_session(here, there):
    page = end(here, "Sign out : Firefox on Windows")
    assert "That session has ended." in text(page)
    assert len(sessions(page)) == 1
    assert there.get("/roles/").status_code == 302
    assert here.get("/roles/").status_code == 200
    [closed] = events(type="session:close")
    assert (closed.actor_email, said_by(closed)) == (email_of("user"), {"count": 1})


def test_a_person_signs_out_all_others_and_stays_signed_in(cast, here, there):
    third, somebody = signing_in(FIREFOX), signed_in(cast.guest)
    assert "2 other sessions have ended." in text(end(here, "Sign out other sessions"))
    assert [browser.get("/roles/").status_code for browser in (here, there, third, somebody)] == [
        200, 302, 302, 200,
    ]  # fmt: skip
    assert "Sign out other sessions" not in text(here.get("/account/"))
    again = here.post("/account/sessions/end-others/", follow=True)
    assert "There was no other session." in text(again)
    assert len(events(type="session:close")) == 1


def test_nobody_ends_the_session_of_another_person(cast, here, there):
    handle = Session.objects.get(pk=row_of(there)).handle
    page = signed_in(cast.owner).post(f"/account/sessions/{handle}/end/", follow=True)
    assert "That session had ended already." in text(page)
    assert there.get("/roles/").status_code == 200


def row_of(browser: Client) -> str:
    return hash_of(browser.cookies["portal"].value)


def test_the_id_of_a_session_is_on_no_page_and_in_no_row(here, there):
    end(here, "Sign out other sessions")
    ids = [browser.cookies["portal"].value for browser in (here, there)]
    stored = str([list(model.objects.values()) for model in (Session, AuditEvent)])
    shown = here.get("/account/").content.decode()
    assert [one for one in ids if one in stored + shown] == []


@pytest.mark.parametrize(
    "ended",
    [
        lambda user: user.set_password("nine green bottles hang"),
        lambda user: setattr(user, "is_active", False),
        lambda user: setattr(user, "signed_out_at", timezone.now()),
    ],
    ids=["password", "disabled", "signed out by an admin"],
)
def test_a_session_that_has_ended_is_not_in_the_list(cast, there, ended):
    admin = signed_in(cast.admin)
    page = f"/people/{cast.user.pk}/"
    assert len(sessions(admin.get(page))) == 2
    user = User.objects.get(pk=cast.user.pk)
    ended(user)
    user.save()
    assert there.get("/roles/").status_code == 302
    assert "Sessions None" in text(admin.get(page))
    assert "End all sessions" not in links(admin.get(page))


def test_a_session_that_has_expired_is_not_in_the_list(here, there):
    Session.objects.filter(pk=row_of(there)).update(expire_date=timezone.now() - timedelta(seconds=1))
    assert len(sessions(here.get("/account/"))) == 1
    third = signing_in(FIREFOX)
    stored = SessionStore(third.cookies["portal"].value)
    stored["started_at"] = int(time.time()) - 9 * 60 * 60
    stored.save()
    assert len(sessions(here.get("/account/"))) == 1


def test_the_list_shows_the_latest_address_and_costs_the_same_for_many_sessions(here):
    stored = SessionStore(here.cookies["portal"].value)
    stored["seen_at"] = int(time.time()) - 600
    stored.save()
    moved = Client(headers={"user-agent": CHROME}, REMOTE_ADDR="198.51.100.1")
    moved.cookies = here.cookies
    moved.get("/roles/")
    assert "198.51.100.1" in sessions(here.get("/account/"))[0]
    few = queries(here, "/account/")
    for _ in range(60):
        other = SessionStore()
        other.update(SessionStore(here.cookies["portal"].value).load() | {"handle": None})
        other.create()
    assert queries(here, "/account/") == few
    assert len(sessions(here.get("/account/"))) == 50


def test_an_admin_sees_the_sessions_and_the_person_is_told_when_they_end(cast, there):
    admin = signed_in(cast.admin)
    shown = sessions(admin.get(f"/people/{cast.user.pk}/"))
    assert len(shown) == 2
    assert "Sign out" not in " ".join(shown)
    deliver()
    admin.post(f"/people/{cast.user.pk}/sign-out/", REASON)
    [letter] = deliver()
    assert (letter.to, letter.subject) == ([cast.user.email], "You were signed out of the Cerby Key Portal")
    assert there.get("/roles/").status_code == 302
    admin.post(f"/people/{cast.admin.pk}/sign-out/", REASON)
    assert deliver() == []  # they know it


def test_a_person_is_told_of_a_sign_in_with_a_new_browser(cast, here):
    assert deliver() == []  # their first sign-in
    assert [said_by(event) for event in events(type="session:start")] == [{"method": "password"}]
    signing_in(FIREFOX, "192.0.2.99")
    [letter] = deliver()
    assert letter.to == [cast.user.email]
    assert letter.subject == "Sign-in with a new browser"
    assert "Firefox on Windows" in str(letter.body)
    assert "192.0.2.99" in str(letter.body)
    assert said_by(events(type="session:start")[-1]) == {"method": "password", "new_browser": True}

    here.post("/accounts/logout/")
    here.post("/accounts/login/", {"login": email_of("user"), "password": PASSWORD})
    assert deliver() == []  # the browser is known


def test_a_page_that_was_asked_for_before_the_session_ended_is_still_shown(here, monkeypatch):
    stored = SessionStore(here.cookies["portal"].value)
    stored["seen_at"] = 0  # so that this request saves the session
    stored.save()

    def ended_meanwhile(actor):
        Session.objects.all().delete()
        return my_keys(actor)

    monkeypatch.setattr("keys.views.mine.my_keys", ended_meanwhile)
    assert here.get("/keys/mine/").status_code == 200
    monkeypatch.undo()
    assert here.get("/keys/mine/")["Location"] == "/accounts/login/?next=/keys/mine/"
    assert Session.objects.count() == 0


def test_confirming_the_password_does_not_bring_an_ended_session_back(here, monkeypatch):
    def ended_meanwhile(request):
        Session.objects.all().delete()
        keep_session_mark(request)

    monkeypatch.setattr("keys.views.accounts.keep_session_mark", ended_meanwhile)
    response = here.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert response["Location"].startswith("/accounts/login/")
    assert Session.objects.count() == 0
    assert here.get("/roles/").status_code == 302
