"""Test passkeys: adding, using, renaming and removing them."""

from __future__ import annotations

import json
import time

import pytest
from allauth.mfa.models import Authenticator

from keys.models import User
from tests.cast import signed_in
from tests.pages.factors import (
    CONFIRM,
    PASSKEY_LOGIN,
    STEP,
    a_browser,
    after_password,
    is_in,
    outcomes,
)
from tests.pages.helpers import events, links, text
from tests.support.authenticators import (
    ORIGIN,
    Passkey,
    add_passkey,
    codes_in,
    handle_of,
    options_of,
    use_passkey,
)

pytestmark = pytest.mark.usefixtures("at_an_address_for_passkeys")

ADD, ADDING, OPTIONS = "/account/passkeys/add/", "/account/passkeys/options/", "/accounts/passkey/options/"


def test_a_passkey_signs_in_alone(cast):
    passkey, added = add_passkey(signed_in(cast.admin))
    assert len(codes_in(added)) == 10
    browser = a_browser()
    answer = use_passkey(browser, passkey, PASSKEY_LOGIN, next="/people/")
    assert answer["Location"] == "/people/"
    assert is_in(browser)
    assert browser.get("/people/add/").status_code == 200, "it counts as a fresh sign-in"
    assert outcomes("session:start") == [("done", "passkey")]


def test_a_passkey_is_the_second_step_and_confirms(cast):
    passkey, _ = add_passkey(signed_in(cast.admin))
    browser = a_browser()
    after_password(browser)
    assert use_passkey(browser, passkey, STEP).status_code == 302
    assert is_in(browser)
    late = signed_in(cast.admin, seconds_ago=600)
    assert use_passkey(late, passkey, CONFIRM, next="/people/add/")["Location"] == "/people/add/"
    assert outcomes("session:confirm") == [("done", "passkey")]


def test_a_passkey_of_another_person_confirms_nothing(cast):
    add_passkey(signed_in(cast.admin))
    others, _ = add_passkey(signed_in(cast.owner))
    late = signed_in(cast.admin, seconds_ago=600)
    assert use_passkey(late, others, CONFIRM).status_code == 422
    assert late.get("/people/add/").status_code == 302
    assert outcomes("session:confirm") == [("refused", "passkey")]


@pytest.mark.parametrize(
    "wrong",
    [
        {"origin": "https://evil.example"},
        {"origin": "http://sub.portal.example:8000"},
        {"origin": "http://localhost:8001"},
        {"rp_id": "evil.example"},
        {"flags": 1},  # the device did not check who uses it
        {"flags": 0x81},  # the same, and extensions are announced, but missing
        {"origin": [ORIGIN]},
        {"origin": {"x": ORIGIN}},
    ],
)
def test_a_passkey_with_wrong_facts_is_refused(cast, wrong):
    _, added = add_passkey(signed_in(cast.admin), **wrong)
    assert added.status_code == 422
    passkey, _ = add_passkey(signed_in(cast.admin))
    for name, value in wrong.items():
        setattr(passkey, name, value)
    browser = a_browser()
    assert use_passkey(browser, passkey, PASSKEY_LOGIN).status_code == 422
    assert not is_in(browser)


def test_a_passkey_answers_a_challenge_once_and_soon(cast, monkeypatch):
    passkey, _ = add_passkey(signed_in(cast.admin))
    browser = a_browser()
    sent = {"credential": json.dumps(passkey.get(options_of(browser, "/accounts/passkey/options/")))}
    challenge = browser.cookies["portal-passkey"].value
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 301)
    assert browser.post(PASSKEY_LOGIN, sent).status_code == 422
    monkeypatch.setattr(time, "time", real)
    assert browser.post(PASSKEY_LOGIN, sent).status_code == 302
    again = a_browser()
    again.cookies["portal-passkey"] = challenge
    assert again.post(PASSKEY_LOGIN, sent).status_code == 422
    assert not is_in(again)


@pytest.mark.parametrize(
    ("challenge", "used", "before"),
    [
        (ADDING, CONFIRM, None),
        (OPTIONS, ADD, None),
        (OPTIONS, PASSKEY_LOGIN, after_password),
        (f"{OPTIONS}?for=sign-in", STEP, after_password),
    ],
)
def test_a_passkey_answers_only_a_challenge_for_the_same_purpose(cast, challenge, used, before):
    insider = signed_in(cast.admin)
    passkey, _ = add_passkey(insider)
    browser = insider
    if before:
        browser = a_browser()
        before(browser)
    options = options_of(browser, challenge) | {"user": {"id": passkey.handle}}
    answer = Passkey().create(options) if used == ADD else passkey.get(options)
    sent = {"credential": json.dumps(answer), "name": "Another"}
    assert browser.post(used, sent).status_code == 422
    assert Authenticator.objects.filter(type="webauthn").count() == 1
    assert outcomes("session:confirm") == ([("refused", "passkey")] if used == CONFIRM else [])


@pytest.mark.parametrize("where", [CONFIRM, STEP, ADD])
def test_a_passkey_answers_only_a_challenge_of_the_same_session(cast, where):
    """Both sessions are of one person, and somebody moves the cookie and the answer to the other."""
    insider = signed_in(cast.admin)
    passkey, _ = add_passkey(insider)
    one, other = a_browser(), a_browser()
    for browser in (one, other):
        after_password(browser)
        if where != STEP:
            assert use_passkey(browser, passkey, STEP).status_code == 302
    options = options_of(one, ADDING if where == ADD else OPTIONS)
    answer = Passkey().create(options) if where == ADD else passkey.get(options)
    other.cookies["portal-passkey"] = one.cookies["portal-passkey"].value
    sent = {"credential": json.dumps(answer), "name": "Another"}
    assert other.post(where, sent).status_code == 422
    assert one.post(where, sent).status_code in {200, 302}, "it is still good where it belongs"


def test_a_passkey_signs_in_alone_although_a_password_was_entered_before(cast):
    """For example, the person goes back from the page for the second factor."""
    passkey, _ = add_passkey(signed_in(cast.admin))
    browser = a_browser()
    after_password(browser)
    sent = {"credential": json.dumps(passkey.get(options_of(browser, f"{OPTIONS}?for=sign-in")))}
    assert browser.post(PASSKEY_LOGIN, sent).status_code == 302
    assert is_in(browser)


def test_a_passkey_that_is_sent_again_says_that_the_codes_were_shown_once(cast):
    browser = signed_in(cast.admin)
    passkey = Passkey()
    sent = {"name": "Laptop", "credential": json.dumps(passkey.create(options_of(browser, ADDING)))}
    assert len(codes_in(browser.post(ADD, sent))) == 10
    again = browser.post(ADD, sent)
    assert (again.status_code, codes_in(again)) == (409, [])
    assert "The recovery codes were shown once" in text(again)
    assert links(again)["Your account"] == "/account/"


def test_a_passkey_answers_only_the_challenge_of_its_browser(cast):
    """Otherwise somebody could let another browser sign in with an answer that they once got."""
    passkey, _ = add_passkey(signed_in(cast.admin))
    sent = {"credential": json.dumps(passkey.get(options_of(a_browser(), "/accounts/passkey/options/")))}
    other = a_browser()
    options_of(other, "/accounts/passkey/options/")
    assert other.post(PASSKEY_LOGIN, sent).status_code == 422


@pytest.mark.parametrize("sent", ["", "{}", "[]", "1", '{"response": {}}', '{"id": "x", "rawId": "x"}'])
def test_a_passkey_with_garbage_is_refused(cast, sent):
    add_passkey(signed_in(cast.admin))
    browser = a_browser()
    options_of(browser, "/accounts/passkey/options/")
    assert browser.post(PASSKEY_LOGIN, {"credential": sent}).status_code == 422


def test_a_passkey_of_a_disabled_person_is_refused(cast):
    passkey, _ = add_passkey(signed_in(cast.admin))
    User.objects.filter(pk=cast.admin.pk).update(is_active=False)
    browser = a_browser()
    assert use_passkey(browser, passkey, PASSKEY_LOGIN).status_code == 422


def test_a_passkey_can_be_renamed_and_removed_by_its_person_only(cast):
    browser = signed_in(cast.admin)
    add_passkey(browser)
    pk = Authenticator.objects.get(type="webauthn").pk
    for act in ("rename", "remove"):
        other = signed_in(cast.owner).post(f"/account/passkeys/{pk}/{act}/", {"name": "Mine"})
        assert other.status_code == 404
    browser.post(f"/account/passkeys/{pk}/rename/", {"name": "Desk"})
    assert "Desk" in text(browser.get("/account/"))
    browser.post(f"/account/passkeys/{pk}/remove/")
    assert not Authenticator.objects.exists()
    assert len(events(type="factor:rename")) == 1


def test_a_passkey_in_a_row_that_no_event_explains_signs_nobody_in(cast):
    """Somebody who can write to the database gives the Owner another passkey."""
    passkey, _ = add_passkey(signed_in(cast.admin))
    Authenticator.objects.filter(type="webauthn").update(user=cast.owner)
    passkey.handle = handle_of(cast.owner)
    browser = a_browser()
    assert use_passkey(browser, passkey, PASSKEY_LOGIN).status_code == 422
    assert not is_in(browser)
