"""Test recovery codes: shown once, used once."""

from __future__ import annotations

import json

import pytest
from allauth.mfa.models import Authenticator
from django.core import mail

from keys.models import AuditEvent, Session
from tests.cast import signed_in
from tests.pages.factors import (
    CODES,
    CONFIRM,
    STEP,
    WRONG,
    a_browser,
    after_password,
    outcomes,
)
from tests.pages.helpers import events, text
from tests.support.authenticators import (
    add_app,
    codes_in,
)
from tests.support.post_office import deliver

pytestmark = pytest.mark.usefixtures("at_an_address_for_passkeys")


def test_recovery_codes_sign_in_once_each_and_say_how_many_are_left(cast):
    _, added = add_app(signed_in(cast.admin))
    code = codes_in(added)[3]
    browser = a_browser()
    after_password(browser)
    assert browser.post(STEP, {"code": code}).status_code == 302
    other = a_browser()
    after_password(other)
    assert WRONG in text(other.post(STEP, {"code": code}))
    [used] = events(type="factor:use-code")
    assert used.details["remaining"] == 9
    deliver()
    assert "You have 9 codes left" in mail.outbox[1].body
    assert ("done", "password and recovery code") in outcomes("session:start")


def test_recovery_codes_confirm_nothing_except_a_change_of_the_factors(cast):
    _, added = add_app(signed_in(cast.admin))
    browser = a_browser()
    after_password(browser)
    browser.post(STEP, {"code": codes_in(added)[0]})
    assert browser.get("/people/add/").status_code == 302, "it is no fresh sign-in"
    assert browser.post(CONFIRM, {"code": codes_in(added)[1]}).status_code == 422
    assert browser.get("/account/passkeys/add/").status_code == 200, "a lost factor can be replaced"


def test_recovery_codes_are_never_shown_twice(cast):
    """One of allauth's advisories of 2025: a second view showed them again."""
    browser = signed_in(cast.admin)
    _, added = add_app(browser)
    first = codes_in(added)
    for page in (CODES, "/account/"):
        assert not codes_in(browser.get(page))
    sent = {"replaces": str(Authenticator.objects.get(type="recovery_codes").pk)}
    second = codes_in(browser.post(CODES, sent))
    assert len(second) == 10
    assert not set(first) & set(second)
    for _ in range(2):  # a reload, and a second tab with the same form
        again = browser.post(CODES, sent)
        assert (again.status_code, codes_in(again)) == (409, [])
    assert added["Cache-Control"].startswith("no-store")
    other = a_browser()
    after_password(other)
    assert WRONG in text(other.post(STEP, {"code": first[0]})), "new ones replace them"


def test_recovery_codes_are_not_in_clear_anywhere(cast):
    _, added = add_app(signed_in(cast.admin))
    stored = json.dumps(Authenticator.objects.get(type="recovery_codes").data)
    stored += str([session.get_decoded() for session in Session.objects.all()])
    stored += str([[event.details, bytes(event.leaf)] for event in AuditEvent.objects.all()])
    assert not [code for code in codes_in(added) if code in stored or code.replace(" ", "") in stored]
