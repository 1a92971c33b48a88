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
from tests.pages.helpers import events, text
from tests.support.authenticators import (
    add_passkey,
    codes_in,
    handle_of,
    options_of,
    use_passkey,
)

pytestmark = pytest.mark.usefixtures("at_an_address_for_passkeys")


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
