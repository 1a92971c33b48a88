"""Test the end of a link with the sign-in provider: by an Owner or Super Admin, or by the person themselves."""

from __future__ import annotations

from typing import Any

import pytest

from keys.actions.sso.link import link_person
from keys.evidence.logged_links import changed_links
from keys.models import SsoLink
from keys.rules.sso import Claims
from tests.cast import email_of, signed_in
from tests.pages.helpers import events, links, text
from tests.support.authenticators import ORIGIN, add_passkey
from tests.support.post_office import deliver

OWN = "/account/unlink/"


@pytest.fixture(autouse=True)
def _linked(sso: Any, cast: Any) -> None:
    for name in ("admin", "owner"):
        claims = Claims(sso.issuer, f"id-of-{name}", "", False, None, "")
        link_person(cast[name], claims, ip="", browser="")


def test_an_owner_unlinks_a_person_who_is_signed_out_and_told_by_mail(sso, cast):
    theirs, owner = signed_in(cast.admin), signed_in(cast.owner)
    page, address = owner.get(f"/people/{cast.admin.pk}/"), f"/people/{cast.admin.pk}/unlink/"
    assert f"Linked with {sso.issuer} since" in text(page)
    assert links(page)["Unlink from SSO"] == address
    assert "with the verified email admin@contenzilla.example" in text(owner.get(address))
    assert owner.post(address, {"reason": ""}).status_code == 422
    done = owner.post(address, {"reason": "A new account."}, follow=True)
    assert "is no longer linked with SSO" in text(done)
    assert "SSO Not linked" in text(done)
    [event] = events(type="sso:unlink")
    assert (event.actor_email, event.reason) == (email_of("owner"), "A new account.")
    assert event.details.items() >= {"person": str(cast.admin.pk), "provider": sso.issuer}.items()
    [told] = deliver()
    assert (told.to, "Reason: A new account." in told.body) == ([email_of("admin")], True)
    assert theirs.get("/account/").status_code == 302
    assert list(changed_links()) == []
    assert owner.post(address, {"reason": "Again."}).status_code == 409

    start = theirs.post("/accounts/sso/")["Location"]
    claims = {"sub": "a new account", "email": email_of("admin"), "email_verified": True}
    assert theirs.get(sso.answer(start, **claims)).status_code == 302
    assert SsoLink.objects.get(user=cast.admin).subject == "a new account"


def test_nobody_else_unlinks_a_person(cast):
    address = f"/people/{cast.owner.pk}/unlink/"
    for name in ("super_admin", "admin", "owner"):  # a lower role, a role that may not, and oneself
        browser = signed_in(cast[name])
        assert "Unlink from SSO" not in links(browser.get(f"/people/{cast.owner.pk}/"))
        assert browser.get(address).status_code == 403
        assert browser.post(address, {"reason": "R"}).status_code == 403
    assert SsoLink.objects.count() == 2


def test_a_person_unlinks_themselves_if_they_can_still_sign_in(sso, cast):
    browser = signed_in(cast.admin)
    page = browser.get("/account/")
    assert f"Linked with {sso.issuer} Since" in text(page)
    assert links(page)["Unlink"] == OWN
    assert "Afterwards you sign in without SSO" in text(browser.get(OWN))
    assert "no longer linked with SSO" in text(browser.post(OWN, follow=True))
    assert [(event.actor_email, event.reason) for event in events(type="sso:unlink")] == [
        (email_of("admin"), "")
    ]
    [told] = deliver()
    assert (told.to, "no longer linked" in told.subject) == ([email_of("admin")], True)
    assert "Your first sign-in with SSO links it" in text(browser.get("/account/"))
    assert "is not linked with SSO" in text(browser.get(OWN))


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"PORTAL_PASSWORD_SIGN_IN": "off"}, "neither a password nor a passkey"),
        (
            {"PORTAL_PASSWORD_SIGN_IN": "break-glass", "PORTAL_BREAK_GLASS_EMAILS": (email_of("admin"),)},
            "neither a password nor a passkey",
        ),
        ({"PORTAL_STEP_UP": "idp"}, "PORTAL_STEP_UP"),
    ],
)
def test_a_person_who_would_lock_themselves_out_is_told_whom_to_ask(cast, settings, values, why):
    browser = signed_in(cast.admin)
    for name, value in values.items():
        setattr(settings, name, value)
    page = browser.get("/account/")
    assert (why in text(page), "Ask an Owner or Super Admin" in text(page), "Unlink" in links(page)) == (
        True,
        True,
        False,
    )
    if "PORTAL_STEP_UP" not in values:
        assert (browser.post(OWN).status_code, why in text(browser.get(OWN))) == (409, True)
    assert SsoLink.objects.filter(user=cast.admin).exists()


def test_a_passkey_is_another_way_to_sign_in(cast, settings):
    settings.PORTAL_URL, settings.PORTAL_PASSWORD_SIGN_IN = ORIGIN, "off"
    browser = signed_in(cast.admin)
    add_passkey(browser)
    assert browser.post(OWN).status_code == 302
    assert not SsoLink.objects.filter(user=cast.admin).exists()


def test_it_needs_a_fresh_sign_in(cast):
    assert "/accounts/reauthenticate/" in signed_in(cast.admin, seconds_ago=600).get(OWN)["Location"]
    address = f"/people/{cast.admin.pk}/unlink/"
    assert "/accounts/reauthenticate/" in signed_in(cast.owner, seconds_ago=600).get(address)["Location"]
