"""Test what people see if the sign-in provider sends them back in vain, or if they sign out."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from keys.actions.sso.link import link_person
from keys.models import Session
from keys.rules.sso import Claims
from tests.cast import CHROME, email_of, signed_in
from tests.pages.helpers import attribute, elements, links, text
from tests.support.authenticators import ORIGIN, add_app, code_of
from tests.support.odd_provider import OddProvider

STRANGER = {"sub": "id-of-a-stranger", "email": "stranger@contenzilla.example", "email_verified": True}
ADMIN = {"sub": "id-of-admin", "email": email_of("admin"), "email_verified": True}


@pytest.fixture
def browser() -> Client:
    return Client(headers={"user-agent": CHROME})


@pytest.fixture
def kept(browser_of) -> str:
    """Return the input of a form that an admin sent after their session had ended."""
    inside = browser_of("admin")
    Session.objects.update(expire_date=timezone.now())
    page = inside.post("/keys/register/", {"name": "Nightly export", "purpose": "Copies accounts."})
    return attribute(elements(page, "input", name="kept")[0], "value") or ""


def asked(response: Any) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(response["Location"]).query))


def hidden(page: Any) -> dict[str, str]:
    """Return the hidden fields of the form that leads to the provider once more."""
    inputs = [
        one
        for one in elements(page, "input", type="hidden")
        if attribute(one, "name") != "csrfmiddlewaretoken"
    ]
    return {attribute(one, "name") or "": attribute(one, "value") or "" for one in inputs}


def test_a_refusal_names_the_account_and_lets_people_choose_another_one(sso, browser, cast, kept):
    started = browser.post("/accounts/sso/", {"next": "/keys/register/", "kept": kept})
    assert "prompt" not in asked(started)
    page = browser.get(sso.answer(started["Location"], **STRANGER))
    assert f"At the sign-in provider you are signed in as {STRANGER['email']}" in text(page)
    assert "Use another account" in text(page)
    assert links(page)["Back to sign-in"] == "/accounts/login/?next=/keys/register/"
    assert links(page)["sign out at 127.0.0.1"] == f"{sso.issuer}/"
    assert hidden(page) == {"next": "/keys/register/", "kept": kept, "other": "1"}

    again = browser.post("/accounts/sso/", hidden(page))
    assert asked(again)["prompt"] == "login"
    resumed = browser.get(sso.answer(again["Location"], **ADMIN))
    assert "What you entered is kept" in text(resumed)


def test_an_email_that_is_nobodys_is_refused_with_the_reason(sso, browser, cast):
    long = f"{'x' * 10_000}@contenzilla.example"
    started = browser.post("/accounts/sso/")
    page = browser.get(sso.answer(started["Location"], **ADMIN | {"email": long}))
    assert (page.status_code, "longer than 254 characters" in text(page), "xxxx" in text(page)) == (
        403,
        True,
        False,
    )


def test_a_provider_that_offers_a_choice_is_asked_for_it(sso, browser, cast):
    sso.facts["prompt_values_supported"] = ["none", "login", "select_account"]
    assert asked(browser.post("/accounts/sso/", {"other": "1"}))["prompt"] == "select_account"


def test_a_person_who_is_disabled_in_cerby_sees_with_which_account_they_came(
    sso, browser, cast, sandbox, workspace
):
    link_person(cast.admin, Claims(sso.issuer, "id-of-admin", "", False, None, ""), ip="", browser="")
    sandbox.set_person(workspace.ids["admin"], status="disabled")
    page = browser.get(sso.answer(browser.post("/accounts/sso/")["Location"], sub="id-of-admin"))
    assert page.status_code == 403
    assert "Not a live member of the workspace in Cerby." in text(page)
    assert f"signed in as {email_of('admin')}" in text(page)


def test_a_refused_step_up_names_the_account_and_keeps_the_input(sso, cast):
    link_person(cast.admin, Claims(sso.issuer, "id-of-admin", "", False, None, ""), ip="", browser="")
    browser = signed_in(cast.admin, seconds_ago=3600)
    offered = browser.post("/keys/register/", {"name": "Nightly export", "purpose": "Copies accounts."})
    sent = {"next": "/keys/register/", "kept": attribute(elements(offered, "input", name="kept")[0], "value")}
    started = browser.post("/accounts/sso/confirm/", sent)
    page = browser.get(sso.answer(started["Location"], **STRANGER))
    assert f"you are signed in as {STRANGER['email']}" in text(page)
    assert f"as before in the portal, as {email_of('admin')}" in text(page)
    assert hidden(page) == sent
    again = browser.post("/accounts/sso/confirm/", hidden(page))
    assert "What you entered is kept" in text(browser.get(sso.answer(again["Location"], sub="id-of-admin")))


def test_a_person_who_is_asked_for_their_factor_after_sso_keeps_their_input(
    sso, browser, cast, kept, settings
):
    settings.PORTAL_URL = ORIGIN
    secret, _ = add_app(signed_in(cast.admin))
    started = browser.post("/accounts/sso/", {"next": "/keys/register/", "kept": kept})
    page = browser.get(sso.answer(started["Location"], **ADMIN))
    assert "Now show that you have your second factor" in text(page)
    assert hidden(page) == {"kept": kept}
    wrong = browser.post("/accounts/login/second-factor/", {"code": "000000", "kept": kept})
    assert hidden(wrong) == {"kept": kept}
    resumed = browser.post("/accounts/login/second-factor/", {"code": code_of(secret), "kept": kept})
    assert "What you entered is kept" in text(resumed)
    assert "Copies accounts." in resumed.content.decode()


def test_signing_out_says_that_the_session_at_the_provider_goes_on(sso, browser, cast):
    browser.get(sso.answer(browser.post("/accounts/sso/")["Location"], **ADMIN))
    page = browser.post("/accounts/logout/")
    assert "You are still signed in at 127.0.0.1 You have signed out of the portal only." in text(page)
    assert links(page)["Sign out at 127.0.0.1"] == f"{sso.issuer}/"
    assert "storage" in page["Clear-Site-Data"]
    assert browser.get("/roles/").status_code == 302
    assert signed_in(cast.owner).post("/accounts/logout/").status_code == 302, "who came with a password"


@pytest.mark.parametrize(
    ("page", "leads_there"),
    [
        ("https://login.example.com/out?x=1", True),
        ("javascript:alert(1)", False),
        ("http://login.example.com/", False),
    ],
)
def test_it_leads_to_the_page_that_the_provider_announces(sso, browser, cast, page, leads_there):
    sso.facts["end_session_endpoint"] = page
    browser.get(sso.answer(browser.post("/accounts/sso/")["Location"], **ADMIN))
    address = links(browser.post("/accounts/logout/"))["Sign out at 127.0.0.1"]
    assert address == (f"{page}&client_id=portal" if leads_there else f"{sso.issuer}/")


def test_nobody_waits_for_a_provider_that_has_just_not_answered(sso: OddProvider, browser, cast):
    """Otherwise a few people who click in turn would occupy the web server."""
    sso.down = True
    for _ in range(3):
        page = browser.post("/accounts/sso/", {"next": "/keys/"})
        assert (page.status_code, hidden(page)) == (503, {"next": "/keys/"})
    assert sso.requests["/.well-known/openid-configuration"] == 1
