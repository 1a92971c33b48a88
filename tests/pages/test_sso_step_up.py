"""Confirm one's identity at the sign-in provider: attacks, and what a success changes.

The control is ``tests.support.stock_sign_in``: allauth's own login, used for the same purpose.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from keys.actions.factors.add import add_app
from keys.actions.people.unlink_sso import unlink_person
from keys.actions.sso.link import link_person
from keys.models import ApiKey, Session, SessionStore, SsoLink, SsoRequest
from keys.oidc import provider as known
from keys.rules.sso import Claims
from tests.cast import PASSWORD, a_live_key, actor, email_of, signed_in
from tests.pages.helpers import attribute, elements, events, text, words
from tests.support.authenticators import code_of
from tests.support.odd_provider import OddProvider
from tests.support.script import ROOT

STARTS = "/accounts/sso/confirm/"
OWN, OTHER = "id-of-admin", "id-of-owner"
STRONG = "urn:example:strong"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@pytest.fixture
def links(sso, cast):
    """Link the admin and the owner."""
    for user, subject in ((cast.admin, OWN), (cast.owner, OTHER)):
        link_person(user, Claims(sso.issuer, subject, "", False, None, ""), ip="", browser="")


@pytest.fixture
def browser(links, cast) -> Client:
    """A browser in which the admin signed in an hour ago."""
    return signed_in(cast.admin, seconds_ago=3600)


def start(browser: Client, next_path: str = "/keys/new/") -> str:
    return browser.post(STARTS, {"next": next_path})["Location"]


def is_fresh(browser: Client) -> bool:
    return browser.get("/keys/new/").status_code == 200


def with_parameters(address: str, **changed: str | None) -> str:
    parts = urlsplit(address)
    query = {**dict(parse_qsl(parts.query)), **changed}
    return parts._replace(query=urlencode({k: v for k, v in query.items() if v is not None})).geturl()


def test_a_success_makes_the_session_fresh_gives_it_a_new_id_and_leads_back(sso, browser, settings):
    settings.PORTAL_OIDC_ACR = (STRONG,)
    before = browser.cookies[settings.SESSION_COOKIE_NAME].value
    assert not is_fresh(browser)
    address = start(browser)
    asked = dict(parse_qsl(urlsplit(address).query))
    assert (asked["prompt"], asked["max_age"], asked["acr_values"]) == ("login", "0", STRONG)
    back = browser.get(sso.answer(address, sub=OWN, acr=STRONG))
    assert back["Location"] == "/keys/new/"
    assert is_fresh(browser)
    assert not SessionStore().exists(before)
    [event] = events(type="session:confirm")
    assert (event.outcome, event.actor_email) == ("done", email_of("admin"))
    assert event.details == {"method": "sso", "provider": sso.issuer}


def test_it_works_only_with_an_answer_of_the_last_seconds(sso, browser):
    """The skew is 5 seconds: an answer at its edge counts."""
    at = int(time.time())
    browser.get(sso.answer(start(browser), sub=OWN, auth_time=at - 3))
    assert is_fresh(browser)


def another_flow(sso: OddProvider, browser: Client) -> str:
    """Bring the code of a sign-in elsewhere with the own state."""
    elsewhere = sso.answer(Client().post("/accounts/sso/")["Location"], sub=OWN, auth_time=int(time.time()))
    own = sso.answer(start(browser), sub=OWN)
    return with_parameters(own, code=dict(parse_qsl(urlsplit(elsewhere).query))["code"])


def replayed(sso: OddProvider, browser: Client) -> str:
    """Use a state again, with a code that is good for it."""
    address = start(browser)
    browser.get(sso.answer(address, sub=OWN, auth_time=int(time.time()) - 60))
    return sso.answer(address, sub=OWN)


def first_of_two(sso: OddProvider, browser: Client) -> str:
    first = sso.answer(start(browser), sub=OWN)
    start(browser)
    return first


def mixed_of_two(sso: OddProvider, browser: Client) -> str:
    first, second = (sso.answer(start(browser), sub=OWN) for _ in range(2))
    return with_parameters(second, code=dict(parse_qsl(urlsplit(first).query))["code"])


def for_a_sign_in(sso: OddProvider, browser: Client) -> str:
    """Start a sign-in in the same browser, and come back from it while signed in."""
    session = browser.cookies.pop("portal")
    address = sso.answer(browser.post("/accounts/sso/")["Location"], sub=OWN, auth_time=int(time.time()))
    browser.cookies["portal"] = session.value
    return address


def of_another_session(sso: OddProvider, browser: Client) -> str:
    from keys.models import User

    other = signed_in(User.objects.get(email=email_of("admin")), seconds_ago=3600)
    return sso.answer(start(other), sub=OWN)


def too_late(sso: OddProvider, browser: Client) -> str:
    address = sso.answer(start(browser), sub=OWN)
    SsoRequest.objects.update(started_at=timezone.now() - timedelta(minutes=11))
    return address


def unlinked_meanwhile(sso: OddProvider, browser: Client) -> str:
    address = sso.answer(start(browser), sub=OWN)
    link = SsoLink.objects.get(subject=OWN)
    unlink_person(link.user, None)
    return address


def answered(**claims: Any) -> Callable[[OddProvider, Client], str]:
    def attack(sso: OddProvider, browser: Client) -> str:
        told = {name: value() if callable(value) else value for name, value in claims.items()}
        return sso.answer(start(browser), **{"sub": OWN, "acr": STRONG} | told)

    return attack


def stripped(sso: OddProvider, browser: Client) -> str:
    address = with_parameters(start(browser), prompt=None, max_age=None, acr_values=None)
    return sso.answer(address, sub=OWN, acr=STRONG)


def seconds_from_now(seconds: int) -> Callable[[], int]:
    return lambda: int(time.time()) + seconds


ATTACKS: dict[str, tuple[Callable[[OddProvider, Client], str], str]] = {
    "no prompt": (answered(auth_time=seconds_from_now(-3600)), "did not ask you to sign in again"),
    "stripped parameters": (stripped, "does not say when you signed in"),
    "replayed state": (replayed, "used already"),
    "another sub": (answered(sub=OTHER), "Somebody else signed in"),
    "unknown sub": (answered(sub="nobody"), "Somebody else signed in"),
    "another issuer": (answered(iss="http://127.0.0.1:1"), "another sign-in provider"),
    "no issuer": (answered(iss=None), "another sign-in provider"),
    "auth_time missing": (answered(auth_time=None), "does not say when you signed in"),
    "auth_time as text": (answered(auth_time="now"), "does not say when you signed in"),
    "auth_time old": (answered(auth_time=seconds_from_now(-7)), "did not ask you to sign in again"),
    "auth_time in the future": (answered(auth_time=seconds_from_now(60)), "will sign in later"),
    "wrong nonce": (answered(nonce="another"), "nonce"),
    "weak acr": (answered(acr="urn:example:weak"), "not check your identity as strongly"),
    "no acr": (answered(acr=None), "not check your identity as strongly"),
    "injected code": (another_flow, "belongs to another sign-in"),
    "two step-ups at once": (first_of_two, "followed by another one"),
    "two step-ups mixed": (mixed_of_two, "belongs to another sign-in"),
    "another purpose": (for_a_sign_in, ""),
    "another session": (of_another_session, "started in another browser"),
    "too late": (too_late, "longer than ten minutes"),
    "no link any more": (unlinked_meanwhile, "Start again"),
    "an error": (
        lambda sso, browser: with_parameters(sso.answer(start(browser)), code=None, error="login_required"),
        "did not ask",
    ),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_leaves_the_session_as_it_was(sso, browser, settings, name):
    settings.PORTAL_OIDC_ACR = (STRONG,)
    attack, why = ATTACKS[name]
    before = browser.cookies[settings.SESSION_COOKIE_NAME].value
    answer = browser.get(attack(sso, browser))
    assert browser.get("/roles/").context["user"].email == email_of("admin")
    assert browser.cookies[settings.SESSION_COOKIE_NAME].value == before
    assert not is_fresh(browser)
    if why:
        assert answer.status_code == 403
        assert "Your identity was not confirmed" in text(answer)
        assert why in text(answer)
        assert events(type="session:confirm", outcome="refused")[-1].actor_email == email_of("admin")
    assert not events(type="session:confirm", outcome="done")


def test_the_stock_flow_fails_most_of_them():
    command = [sys.executable, "-m", "tests.support.stock_sign_in"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=120)
    found = json.loads(done.stdout)
    assert {name for name, got in found.items() if got["fresh"] or got["another person"]} == {
        *("no prompt", "no auth_time", "another sub", "another issuer", "wrong nonce", "weak acr")
    }
    assert found["another sub"]["another person"]


def test_the_page_offers_it_only_to_a_person_who_is_linked(sso, browser, cast):
    assert "Confirm with SSO" in text(browser.get("/accounts/reauthenticate/"))
    unlinked = signed_in(cast.super_admin, seconds_ago=3600)
    assert "Confirm with SSO" not in text(unlinked.get("/accounts/reauthenticate/"))
    assert unlinked.post(STARTS).status_code == 403


def test_a_person_without_a_password_can_do_nothing_protected_without_it(sso, browser, cast):
    cast.admin.set_unusable_password()
    cast.admin.save()
    browser = signed_in(cast.admin, seconds_ago=3600)
    for act in ("/keys/new/", "/people/add/"):
        assert "/accounts/reauthenticate/" in browser.get(act).headers.get("Location", "")
    page = browser.get("/accounts/reauthenticate/?next=/keys/new/")
    assert (page.status_code, elements(page, "input", type="password")) == (200, [])
    assert browser.post("/accounts/reauthenticate/", {"password": ""}).status_code == 200
    assert not is_fresh(browser)
    browser.get(sso.answer(start(browser), sub=OWN))
    assert is_fresh(browser)


def test_kept_input_comes_back(sso, browser, cast, workspace):
    key, _ = a_live_key(workspace.sandbox, cast.user)
    act = f"/keys/{key.pk}/rescope/"
    asked = browser.post(act, {"scope": "read:items", "on": "true"})
    kept = attribute(elements(asked, "input", name="kept")[0], "value")
    address = browser.post(STARTS, {"next": act, "kept": kept})["Location"]
    assert kept not in str(SsoRequest.objects.values().get())
    resumed = browser.get(sso.answer(address, sub=OWN))
    sent = {attribute(area, "name"): words(area) for area in elements(resumed, "textarea")}
    assert sent == {"scope": "read:items", "on": "true"}
    assert browser.post(act, sent).status_code == 302
    assert "read:items" in ApiKey.objects.get().scopes


@pytest.mark.parametrize("where", ["idp", "portal", "either"])
def test_a_setting_says_where_people_confirm_their_identity(sso, browser, settings, where):
    settings.PORTAL_STEP_UP = where
    browser.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert is_fresh(browser) is (where != "idp")
    Session.objects.all().delete()
    again = signed_in(SsoLink.objects.get(subject=OWN).user, seconds_ago=3600)
    started = again.post(STARTS)
    assert (started.status_code == 302) is (where != "portal")
    if where != "portal":
        again.get(sso.answer(started["Location"], sub=OWN))
    assert is_fresh(again) is (where != "portal")


def test_a_person_with_a_second_factor_chooses_between_it_and_the_provider(sso, browser, cast, settings):
    add_app(actor(cast.admin), SECRET, code_of(SECRET, periods=-1))
    page = browser.get("/accounts/reauthenticate/")
    assert "Use your second factor to continue" in text(page)
    assert "Confirm with SSO" in text(page)
    browser.get(sso.answer(start(browser), sub=OWN))
    assert is_fresh(browser)
    settings.PORTAL_STEP_UP = "portal"
    assert not is_fresh(browser)
    assert "Confirm with SSO" not in text(browser.get("/accounts/reauthenticate/"))
    browser.post("/accounts/reauthenticate/", {"code": code_of(SECRET)})
    assert is_fresh(browser)


def test_a_provider_that_lists_no_auth_time_is_not_offered(sso, browser):
    sso.facts["claims_supported"] = ["sub", "email"]
    assert known.current_provider().sends_auth_time is False
    assert "Confirm with SSO" not in text(browser.get("/accounts/reauthenticate/"))


def test_a_provider_that_is_down_leaves_the_password(sso, browser):
    sso.down = True
    answer = browser.post(STARTS)
    assert (answer.status_code, "You are signed in as before" in text(answer)) == (503, True)
    browser.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert is_fresh(browser)


def test_parameters_in_the_address_are_ignored(sso, browser):
    started = browser.post(f"{STARTS}?auth_params=prompt%3Dnone&prompt=none&max_age=9999&acr_values=0")
    asked = dict(parse_qsl(urlsplit(started["Location"]).query))
    assert (asked["prompt"], asked["max_age"], asked.get("acr_values")) == ("login", "0", None)


@pytest.mark.parametrize("again", [False, True])
def test_unlinking_in_another_session_ends_the_fresh_sign_in_at_once(sso, browser, cast, again):
    browser.get(sso.answer(start(browser), sub=OWN))
    assert is_fresh(browser)
    assert signed_in(cast.admin).post("/account/unlink/").status_code == 302
    assert not SsoLink.objects.filter(user=cast.admin).exists()
    if again:
        link_person(cast.admin, Claims(sso.issuer, "new", "", False, None, ""), ip="", browser="")
    assert not is_fresh(browser)
