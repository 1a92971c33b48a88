"""Test recovery codes: shown once, used once."""

from __future__ import annotations

import json

import pytest
from allauth.mfa.models import Authenticator
from django.core import mail

from keys.models import AuditEvent, Session
from tests.cast import PASSWORD, signed_in
from tests.pages.factors import (
    CODES,
    CONFIRM,
    STEP,
    WRONG,
    a_browser,
    after_password,
    outcomes,
)
from tests.pages.helpers import events, links, text
from tests.support.authenticators import (
    add_app,
    add_passkey,
    codes_in,
)
from tests.support.post_office import deliver

pytestmark = pytest.mark.usefixtures("at_an_address_for_passkeys")

ADD = "/account/passkeys/add/"
CHANGE = "/accounts/password/change/"
NEW_PASSWORD = {
    "oldpassword": PASSWORD,
    "password1": "nine green bottles hang",
    "password2": "nine green bottles hang",
}


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


def test_recovery_codes_lead_to_a_new_factor_and_new_codes_after_the_sign_in(cast):
    _, added = add_app(signed_in(cast.admin))
    codes = codes_in(added)
    browser = a_browser()
    after_password(browser)
    landed = browser.post(STEP, {"code": codes[0]}, follow=True)
    assert "You signed in with a recovery code. 9 of 10 are left." in text(landed)
    offered = links(landed)
    assert offered["a passkey"] == "/account/passkeys/add/"
    assert offered["an authenticator app"] == "/account/authenticator/add/"
    assert offered["Generate new recovery codes"] == CODES
    assert "recovery codes left" not in text(browser.get("/account/"))
    row = Authenticator.objects.get(type="recovery_codes")
    row.data["used_mask"] = 2**9 - 1  # only the last one is unused
    row.save()
    assert "You have only 1 recovery code left." in text(browser.get("/account/"))
    again = a_browser()
    after_password(again)
    assert "None of 10 is left." in text(again.post(STEP, {"code": codes[9]}, follow=True))
    assert "You have no recovery code left." in text(again.get("/account/"))


def test_recovery_codes_confirm_nothing_except_a_change_of_the_factors(cast):
    _, added = add_app(signed_in(cast.admin))
    browser = a_browser()
    after_password(browser)
    browser.post(STEP, {"code": codes_in(added)[0]})
    assert browser.get("/people/add/").status_code == 302, "it is no fresh sign-in"
    assert browser.post(CONFIRM, {"code": codes_in(added)[1]}).status_code == 422
    assert browser.get("/account/passkeys/add/").status_code == 200, "a lost factor can be replaced"


def test_a_recovery_code_lets_people_replace_a_lost_app_but_change_no_password_and_remove_no_factor(cast):
    insider = signed_in(cast.admin)
    _, added = add_app(insider)
    add_passkey(insider)
    pk = Authenticator.objects.get(type="webauthn").pk
    browser = a_browser()
    after_password(browser)
    browser.post(STEP, {"code": codes_in(added)[0]})
    protected = (
        CHANGE,
        f"/account/passkeys/{pk}/rename/",
        f"/account/passkeys/{pk}/remove/",
        "/account/authenticator/remove/",
    )
    for url in protected:
        assert browser.get(url)["Location"].startswith(CONFIRM), url
        asked = browser.post(url, NEW_PASSWORD | {"name": "Mine"})
        assert asked.get("Location", "").startswith(CONFIRM) or "Use your second factor" in text(asked), url
    assert browser.get(CODES).status_code == 200, "new codes can be had"
    assert Authenticator.objects.count() == 3
    assert events(type__in=["password:change", "factor:remove", "factor:rename"]) == []
    _, replaced = add_app(browser)
    assert replaced["Location"] == "/account/"
    assert browser.post(f"/account/passkeys/{pk}/remove/").status_code == 302, "the new app is a real factor"
    assert browser.post(CHANGE, NEW_PASSWORD)["Location"] == "/account/"
    assert outcomes("factor:remove") == [("done", "app"), ("done", "passkey")]


def test_a_recovery_code_lets_nobody_add_a_factor_after_the_codes_were_replaced_in_another_session(cast):
    insider = signed_in(cast.admin)
    _, added = add_app(insider)
    browser = a_browser()
    after_password(browser)
    browser.post(STEP, {"code": codes_in(added)[0]})
    assert browser.get(ADD).status_code == 200
    replaces = Authenticator.objects.get(type="recovery_codes").pk
    made = browser.post(CODES, {"replaces": replaces})
    assert len(codes_in(made)) == 10
    assert browser.get(ADD).status_code == 200, "they were replaced in this session"
    replaces = Authenticator.objects.get(type="recovery_codes").pk
    assert insider.post(CODES, {"replaces": replaces}).status_code == 200
    assert browser.get(ADD)["Location"].startswith(CONFIRM)


def test_a_password_is_changed_without_a_fresh_sign_in_if_there_is_no_factor(cast):
    """The form asks for the password anyway."""
    late = signed_in(cast.admin, seconds_ago=600)
    assert late.get(CHANGE).status_code == 200
    assert late.post(CHANGE, NEW_PASSWORD)["Location"] == "/account/"


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
