"""Test the second step of a sign-in: throttling, kept input, cancelling."""

from __future__ import annotations

import pytest
from allauth.mfa.models import Authenticator
from django.core import mail

from keys.actions.factors.reset import reset_factors
from keys.actions.people.change_password import change_password
from keys.actions.people.end_sessions import end_sessions
from keys.actions.people.remove import remove_person
from keys.models import Session
from tests.cast import a_live_key, a_selection, actor, signed_in
from tests.pages.factors import (
    CODES,
    CONFIRM,
    LOGIN,
    STEP,
    a_browser,
    after_password,
    is_in,
    outcomes,
)
from tests.pages.helpers import events, text
from tests.support.authenticators import (
    add_app,
    add_passkey,
    code_of,
    use_passkey,
)
from tests.support.post_office import deliver

pytestmark = pytest.mark.usefixtures("at_an_address_for_passkeys")


def ended_by(cast, how):
    """Do something that ends the sessions of the admin."""
    admin = cast.admin
    if how == "a new password":
        change_password(admin, "nine green bottles hang", by_link=True, ip="192.0.2.7", browser="")
    elif how == "the Owner":
        end_sessions(actor(cast.owner), admin.pk, reason="A stolen laptop.")
    elif how == "themselves":
        assert signed_in(admin).post("/account/sessions/end-others/").status_code == 302
    elif how == "a reset":
        reset_factors(actor(cast.owner), admin.pk, reason="A lost phone.")
    else:
        remove_person(admin.email)


@pytest.mark.parametrize("how", ["a new password", "the Owner", "themselves", "a reset", "removal"])
def test_what_ends_sessions_ends_a_sign_in_between_its_steps(cast, how):
    secret, _ = add_app(signed_in(cast.admin))
    browser = a_browser()
    after_password(browser)
    ended_by(cast, how)
    assert browser.post(STEP, {"code": code_of(secret)})["Location"] == LOGIN
    assert not is_in(browser)
    assert outcomes("session:start") == []


def test_cancelling_is_no_ended_session(cast):
    add_app(signed_in(cast.admin))
    browser = a_browser()
    after_password(browser)
    assert "Your session has ended" not in text(browser.get("/keys/", follow=True))
    assert browser.post(STEP, {"cancel": "1"})["Location"] == LOGIN
    assert "Your session has ended" not in text(browser.get(LOGIN))


DEEP, LONG = "[" * 2000 + "]" * 2000, "1" * 5000


def test_a_damaged_answer_of_a_browser_is_refused(cast):
    insider, browser = signed_in(cast.admin), a_browser()
    add_app(insider)
    for damaged in (DEEP, LONG):
        assert browser.post("/accounts/login/passkey/", {"credential": damaged}).status_code == 422
        after_password(browser)
        assert browser.post(STEP, {"credential": damaged}).status_code == 422
    assert insider.post("/account/recovery-codes/", {"replaces": "9" * 5000}).status_code == 409


def test_guessing_is_slowed_down_and_mailed_once(cast):
    secret, _ = add_app(signed_in(cast.admin))
    browser = a_browser()
    after_password(browser)
    answers = [text(browser.post(STEP, {"code": f"{number:06}"})) for number in range(6)]
    assert ["too many wrong codes" in answer for answer in answers] == [False] * 5 + [True]
    assert "too many" in text(browser.post(STEP, {"code": code_of(secret)}))
    assert ("refused", "app") in outcomes("session:start")
    deliver()
    assert [sent.subject for sent in mail.outbox].count(
        "A second factor of your account in the Cerby Key Portal was refused"
    ) == 1


def test_guessing_is_not_forgotten_after_a_success(cast):
    """One of allauth's advisories of 2025: a success cleared the count of failures."""
    secret, _ = add_app(signed_in(cast.admin))
    thief = a_browser()
    after_password(thief)
    for number in range(5):
        thief.post(STEP, {"code": f"{number:06}"})
    owner_of_it = a_browser("198.51.100.9")
    after_password(owner_of_it)
    assert owner_of_it.post(STEP, {"code": code_of(secret)}).status_code == 302
    assert "too many" in text(thief.post(STEP, {"code": "000009"}))


def test_guessing_with_a_forged_address_gains_nothing(cast):
    """One of allauth's advisories of 2025: X-Forwarded-For was trusted without a proxy."""
    add_app(signed_in(cast.admin))
    browser = a_browser()
    after_password(browser)
    answers = [
        text(browser.post(STEP, {"code": "000001"}, headers={"x-forwarded-for": f"198.51.100.{number}"}))
        for number in range(6)
    ]
    assert "too many" in answers[-1]


def test_guessing_locks_nobody_out_of_a_known_browser(cast):
    secret, _ = add_app(signed_in(cast.admin))
    own = a_browser()
    after_password(own)
    own.post(STEP, {"code": code_of(secret)})
    own.post("/accounts/logout/")
    for ip in (f"198.51.100.{number}" for number in range(6)):
        thief = a_browser(ip)
        after_password(thief)
        for number in range(4):
            thief.post(STEP, {"code": f"{number:06}"})
    after_password(own)
    assert own.post(STEP, {"code": code_of(secret, periods=1)}).status_code == 302


def test_guessing_of_a_stranger_does_not_reach_the_codes(cast):
    secret, _ = add_app(signed_in(cast.admin))
    stranger = a_browser()
    for _ in range(30):
        assert stranger.post(STEP, {"code": "000000"})["Location"].startswith(LOGIN)
    own = a_browser()
    after_password(own)
    assert own.post(STEP, {"code": code_of(secret)}).status_code == 302


def test_the_input_of_a_form_is_kept_through_both_steps(cast):
    secret, _ = add_app(signed_in(cast.admin))
    ended = signed_in(cast.admin)
    typed = {"email": "new@contenzilla.example"}
    Session.objects.update(expire_date="2020-01-01T00:00:00Z")
    asked = ended.post("/people/add/", typed, HTTP_REFERER="http://testserver/people/add/")
    kept = asked.content.decode().partition('name="kept" value="')[2].partition('"')[0]
    step = after_password(ended, kept=kept, next="/people/add/")
    assert step.status_code == 200
    assert f'name="kept" value="{kept}"' in step.content.decode()
    resumed = ended.post(STEP, {"code": code_of(secret), "kept": kept})
    assert "new@contenzilla.example" in resumed.content.decode()


def test_the_second_step_can_be_cancelled(cast):
    add_app(signed_in(cast.admin))
    browser = a_browser()
    after_password(browser)
    assert browser.get(LOGIN)["Location"] == STEP
    browser.post(STEP, {"cancel": "1"})
    assert browser.get(LOGIN).status_code == 200


@pytest.mark.parametrize(
    "url", ["/account/passkeys/add/", "/account/authenticator/add/", "/account/authenticator/remove/", CODES]
)
def test_a_change_of_the_factors_needs_a_fresh_sign_in(cast, url):
    add_app(signed_in(cast.admin))
    add_passkey(signed_in(cast.owner))
    late = signed_in(cast.admin, seconds_ago=301)
    assert late.get(url)["Location"].startswith(CONFIRM)
    asked = late.post(url, {"code": "1", "name": "x"})
    assert "Use your second factor to continue" in text(asked)
    assert Authenticator.objects.count() == 4


def test_every_act_that_needs_a_fresh_sign_in_needs_the_factor(cast, sandbox):
    """The password was just entered, but it is not enough for a person with a second factor."""
    key, _ = a_live_key(sandbox, cast.owner)
    add_app(signed_in(cast.owner))
    browser = signed_in(cast.owner)
    one, people, keys = f"/keys/{key.pk}", f"/people/{cast.user.pk}", a_selection(cast.owner, key).pk
    reads = ["/keys/new/", f"{one}/delete/", "/keys/register/", "/keys/export/", "/activity/export/"]
    reads += ["/keys/past/export/?at=2026-01-01T00:00", f"/keys/bulk/{keys}/export/", "/people/add/"]
    reads += [f"{people}/remove/", f"{people}/sign-out/", f"{people}/reset-factors/"]
    changes = ["/keys/new/generate/", f"{one}/delete/", "/keys/register/", "/keys/import/confirm/"]
    changes += ["/activity/evidence/download/", "/activity/verify/explain/", "/settings/health/release/"]
    changes += ["/people/add/", f"{people}/remove/", f"{people}/sign-out/", f"{one}/keep/"]
    changes += [f"{people}/reset-factors/", f"/keys/bulk/{keys}/start/"]
    sent = {"reason": "R", "act": "delete", "scope": "write:users", "on": "true"}
    answers = {url: browser.get(url) for url in reads}
    answers |= {f"POST {url}": browser.post(url, sent) for url in changes}
    answers["widen"] = browser.post(f"{one}/rescope/", sent)
    asked = {
        url
        for url, answer in answers.items()
        if answer.get("Location", "").startswith(CONFIRM) or "Use your second factor" in text(answer)
    }
    assert answers.keys() - asked == set()


@pytest.mark.parametrize("how", ["app removed", "app replaced", "passkey removed"])
def test_a_factor_that_is_removed_in_another_session_confirms_nothing_any_more(cast, how):
    """Somebody who uses a session of another person adds their own factor, which the person then removes."""
    browser, other = signed_in(cast.admin), signed_in(cast.admin)
    add = add_app if how.startswith("app") else add_passkey
    own, _ = add_passkey(other)
    use_passkey(browser, own, CONFIRM)
    add(browser)
    row = Authenticator.objects.order_by("pk").exclude(type="recovery_codes").last()
    stored = browser.session
    stored["account_authentication_methods"] = stored["account_authentication_methods"][-1:]
    stored.save()
    assert browser.get("/people/add/").status_code == 200, "the new factor gave a fresh sign-in"
    if how == "app replaced":
        add_app(other)
    else:
        url = "/account/authenticator/" if how == "app removed" else f"/account/passkeys/{row.pk}/"
        assert other.post(f"{url}remove/").status_code == 302
    assert not Authenticator.objects.filter(pk=row.pk).exists()
    assert browser.get("/people/add/")["Location"].startswith(CONFIRM)
    assert browser.get("/account/passkeys/add/")["Location"].startswith(CONFIRM)
    assert other.get("/people/add/").status_code == 200


def test_a_deleted_factor_does_not_open_the_door(cast):
    """Somebody who can write to the database deletes the factor of a person whose password they know."""
    add_app(signed_in(cast.admin))
    Authenticator.objects.all().delete()
    browser = a_browser()
    assert after_password(browser)["Location"] == "/accounts/inactive/"
    assert not is_in(browser)
    [event] = events(type="person:repair")
    assert "second factors" in event.reason
    owner = signed_in(cast.owner)
    url = f"/people/{cast.admin.pk}/reset-factors/"
    assert owner.post(url, {"reason": "The row was deleted."}).status_code == 302
    after_password(browser)
    assert is_in(browser)
