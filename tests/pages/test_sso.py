"""Sign in with the provider of the organisation: who is let in, and under which conditions."""

from __future__ import annotations

import hmac
import json
import time
from base64 import urlsafe_b64encode
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.test import Client
from django.utils import timezone

from keys.actions.people.erase import erase_person
from keys.actions.people.remove import remove_person
from keys.checks import provider_is_configured
from keys.evidence.logged_links import changed_links
from keys.evidence.row_check import contradictions
from keys.models import AuditEvent, Session, SsoLink, SsoRequest, User
from keys.oidc import provider as known
from tests.cast import CHROME, PASSWORD, actor, email_of, signed_in
from tests.pages.helpers import attribute, elements, events, text
from tests.support import odd_provider
from tests.support.odd_provider import OddProvider, rsa_key
from tests.support.post_office import deliver

ADMIN = {"sub": "id-of-admin", "email": email_of("admin"), "email_verified": True}


@pytest.fixture
def browser() -> Client:
    return Client(headers={"user-agent": CHROME})


def come_back(browser: Client, provider: OddProvider, **claims: Any) -> Any:
    started = browser.post("/accounts/sso/", {"next": "/keys/"})
    assert started.status_code == 302, text(started)
    return browser.get(provider.answer(started["Location"], **claims))


def who_is_in(browser: Client) -> str:
    page = browser.get("/roles/")
    return page.context["user"].email if page.status_code == 200 else ""


def refused(browser: Client, provider: OddProvider, **claims: Any) -> str:
    """Come back, check that nobody is signed in and that no link was made, and return the page."""
    before = SsoLink.objects.count()
    answer = come_back(browser, provider, **claims)
    assert answer.status_code in {403, 409, 503}
    assert who_is_in(browser) == ""
    assert SsoLink.objects.count() == before
    return text(answer)


def test_the_first_sign_in_links_by_a_verified_email_and_later_ones_by_the_id(sso, browser, cast):
    assert come_back(browser, sso, **ADMIN)["Location"] == "/keys/"
    assert who_is_in(browser) == email_of("admin")
    link = SsoLink.objects.get()
    assert (link.user, link.issuer, link.subject) == (cast.admin, sso.issuer, "id-of-admin")
    [told] = deliver()
    assert (told.to, "linked with SSO" in told.subject) == ([email_of("admin")], True)
    again = Client()
    come_back(again, sso, sub="id-of-admin", email=email_of("owner"), email_verified=True)
    assert "With SSO, Chrome on Linux" in text(again.get("/account/"))
    assert who_is_in(again) == email_of("admin")
    assert [(e.type, e.outcome, e.details.get("method")) for e in events()] == [
        ("sso:link", "done", None),
        ("session:start", "done", "sso"),
        ("session:start", "done", "sso"),
    ]
    assert [told.subject for told in deliver()] == ["Sign-in with a new browser"]


def test_a_person_with_nothing_else_to_confirm_with_adds_a_factor_after_a_new_sign_in(
    sso, browser, cast, settings, monkeypatch
):
    """Otherwise they could never do what needs a fresh sign-in, if the provider cannot ask them again."""
    settings.PORTAL_STEP_UP = "portal"
    come_back(browser, sso, **ADMIN)
    add = "/account/authenticator/add/"
    assert browser.get(add).status_code == 302, "they have a password"
    cast.admin.set_unusable_password()
    cast.admin.save()
    other = Client()
    come_back(other, sso, **ADMIN)
    assert other.get("/keys/new/").status_code == 302
    assert other.get(add).status_code == 200
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 301)
    assert other.get(add).status_code == 302
    assert "sign in with SSO again" in text(other.get("/accounts/reauthenticate/"))


def test_a_sign_in_with_sso_is_not_fresh(sso, browser, cast):
    come_back(browser, sso, **ADMIN, auth_time=int(time.time()))
    assert "/accounts/reauthenticate/" in browser.get("/keys/new/")["Location"]


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({**ADMIN, "email": "stranger@contenzilla.example"}, "does not know you"),
        ({**ADMIN, "email_verified": False}, "does not say that your email belongs to you"),
        ({**ADMIN, "email_verified": "true"}, "does not say that your email belongs to you"),
        ({"sub": "id-of-admin", "preferred_username": email_of("admin")}, "did not say which email you have"),
        ({**ADMIN, "sub": ""}, "who signed in"),
        ({**ADMIN, "sub": 7}, "not valid"),
        ({**ADMIN, "aud": "another"}, "another program"),
        ({**ADMIN, "aud": ["portal", "another"]}, "another program"),
        ({**ADMIN, "azp": "another"}, "another program"),
        ({**ADMIN, "iss": "http://127.0.0.1:1"}, "another provider"),
        ({**ADMIN, "exp": int(time.time()) - 60}, "expired"),
        ({**ADMIN, "iat": int(time.time()) - 3600}, "too old"),
        ({**ADMIN, "iat": int(time.time()) + 3600}, "future"),
        ({**ADMIN, "nonce": "another"}, "nonce"),
        ({**ADMIN, "nonce": None}, "nonce"),
        ({**ADMIN, "iss_parameter": "http://127.0.0.1:1"}, "another sign-in provider"),
        ({**ADMIN, "iss_parameter": None}, "another sign-in provider"),
    ],
)
def test_who_is_not_let_in(sso, browser, cast, claims, why):
    claims = dict(claims)
    parameter = {"iss": claims.pop("iss_parameter")} if "iss_parameter" in claims else {}
    started = browser.post("/accounts/sso/")
    if "iss" in claims:  # the claim, not the parameter
        claims = {"token": sso.sign({**standard(started["Location"]), **claims})}
    answer = browser.get(sso.answer(started["Location"], **parameter, **claims))
    assert (answer.status_code, who_is_in(browser), SsoLink.objects.count()) == (403, "", 0)
    assert why in text(answer)
    [event] = events()
    assert (event.type, event.outcome, event.details["provider"]) == ("session:start", "refused", sso.issuer)


def standard(address: str) -> dict[str, Any]:
    nonce = dict(parse_qsl(urlsplit(address).query))["nonce"]
    now = int(time.time())
    return {"aud": odd_provider.CLIENT, "exp": now + 300, "iat": now, "nonce": nonce}


@pytest.mark.parametrize("forged", ["none", "HS256 with the public key", "another key", "another key's name"])
def test_a_signature_must_be_made_with_a_published_key(sso, browser, cast, forged):
    started = browser.post("/accounts/sso/")
    claims = {**standard(started["Location"]), "iss": sso.issuer, **ADMIN}
    public = sso.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    other = rsa_key()
    tokens = {
        "none": lambda: jwt.encode(claims, None, algorithm="none", headers={"kid": "k1"}),
        "HS256 with the public key": lambda: with_hmac(claims, public),
        "another key": lambda: jwt.encode(claims, other, algorithm="RS256", headers={"kid": "k1"}),
        "another key's name": lambda: sso.sign(claims, kid="unknown"),
    }
    answer = browser.get(sso.answer(started["Location"], token=tokens[forged]()))
    assert (answer.status_code, who_is_in(browser)) == (403, "")


def with_hmac(claims: dict[str, Any], secret: bytes) -> str:
    """Sign as PyJWT would, if it did not refuse such a secret."""
    parts = [{"alg": "HS256", "typ": "JWT", "kid": "k1"}, claims]
    head = b".".join(urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    mark = urlsafe_b64encode(hmac.new(secret, head, "sha256").digest()).rstrip(b"=")
    return (head + b"." + mark).decode()


def test_a_provider_that_does_not_verify_addresses_needs_the_setting(sso, browser, cast, settings):
    settings.PORTAL_OIDC_EMAILS_VERIFIED = True
    come_back(browser, sso, **ADMIN | {"email_verified": False})
    assert who_is_in(browser) == email_of("admin")


def test_the_email_may_come_from_the_userinfo_of_the_same_person(sso, browser, cast):
    sso.facts["about"] = {**ADMIN, "sub": "somebody else"}
    assert "another person" in refused(browser, sso, sub="id-of-admin")
    sso.facts["about"] = ADMIN
    come_back(browser, sso, sub="id-of-admin")
    assert who_is_in(browser) == email_of("admin")


def test_a_person_who_is_disabled_in_cerby_is_refused_with_and_without_a_link(
    sso, browser, sandbox, workspace, cast
):
    come_back(browser, sso, **ADMIN)
    for name, is_linked in (("admin", True), ("user", False)):
        sandbox.set_person(workspace.ids[name], status="disabled")
        again, claims = Client(), {"sub": f"id-of-{name}", "email": email_of(name), "email_verified": True}
        come_back(again, sso, **claims)
        assert who_is_in(again) == ""
        assert SsoLink.objects.filter(subject=claims["sub"]).exists() is is_linked
    assert [(e.outcome, e.actor_email, e.details["method"]) for e in events(type="session:start")][1:] == [
        ("refused", email_of("admin"), "sso"),
        ("refused", email_of("user"), "sso"),
    ]


def test_a_person_has_one_account_and_an_account_one_person(sso, browser, cast):
    come_back(browser, sso, **ADMIN)
    assert "linked with another account" in refused(Client(), sso, **ADMIN | {"sub": "second"})
    assert [e.outcome for e in events(type="session:start")] == ["done", "refused"]


def test_a_link_that_somebody_wrote_into_the_database_opens_nothing(sso, browser, cast):
    come_back(browser, sso, **ADMIN)
    real = SsoLink.objects.get()
    SsoLink.objects.filter(pk=real.pk).update(subject="attacker")
    assert "not one that the audit log recorded" in refused(Client(), sso, sub="attacker")
    SsoLink.objects.filter(pk=real.pk).update(subject=real.subject, user=cast.owner)
    assert "not one that the audit log recorded" in refused(Client(), sso, sub="id-of-admin")


def test_removing_a_person_ends_the_link_and_they_are_not_admitted_again(sso, browser, cast, settings):
    come_back(browser, sso, **ADMIN)
    remove_person(email_of("admin"), actor(cast.owner), reason="Left the team.")
    assert [e.details["provider"] for e in events(type="sso:unlink")] == [sso.issuer]
    settings.PORTAL_OIDC_ADMIT = "users"
    assert "does not know you" in refused(Client(), sso, **ADMIN)
    assert not SsoLink.objects.exists()


@pytest.mark.parametrize(
    "case",
    ["added admin no", "admins user no", "admins admin yes", "users user yes", "users guest_user no"],
)
def test_a_setting_admits_people_whom_cerby_lists_with_a_suitable_role(sso, browser, sandbox, settings, case):
    settings.PORTAL_OIDC_ADMIT, role, admitted = case.split()
    is_in, role = admitted == "yes", f"workspace_{role}"
    sandbox.add_person(email="new@contenzilla.example", first_name="New", last_name="Person", role=role)
    come_back(browser, sso, sub="new", email="New@Contenzilla.example", email_verified=True)
    assert (who_is_in(browser) == "new@contenzilla.example") is is_in
    added = events(type="person:add")
    assert [e.reason for e in added] == (["Signed in with SSO (PORTAL_OIDC_ADMIT)."] if is_in else [])


def test_parameters_in_the_address_are_ignored(sso, browser, cast):
    started = browser.post(
        "/accounts/sso/?auth_params=prompt%3Dnone&scope=admin&prompt=none&redirect_uri=https://login.example.com/"
    )
    asked = dict(parse_qsl(urlsplit(started["Location"]).query))
    assert all(asked.pop(name) for name in ("state", "nonce", "code_challenge"))
    assert asked == {
        "response_type": "code",
        "client_id": odd_provider.CLIENT,
        "redirect_uri": "http://testserver/accounts/sso/callback/",
        "scope": "openid email profile",
        "code_challenge_method": "S256",
    }


def test_an_answer_works_once_in_the_browser_that_asked_and_not_for_long(sso, browser, cast):
    started = browser.post("/accounts/sso/")
    address = sso.answer(started["Location"], **ADMIN)
    stranger = Client()
    assert "started in another browser" in text(stranger.get(address))
    assert browser.head(address).status_code == 405
    assert browser.get(address).status_code == 302
    browser.post("/accounts/logout/")
    assert "used already" in text(browser.get(address))
    late = sso.answer(browser.post("/accounts/sso/")["Location"], **ADMIN)
    SsoRequest.objects.update(started_at=timezone.now() - timedelta(minutes=11))
    assert "longer than ten minutes" in text(browser.get(late))
    assert who_is_in(browser) == ""


def test_an_answer_never_changes_who_is_signed_in(sso, browser, cast):
    address = sso.answer(browser.post("/accounts/sso/")["Location"], **ADMIN)
    browser.post("/accounts/login/", {"login": email_of("user"), "password": PASSWORD})
    assert browser.get(address).status_code == 302
    assert who_is_in(browser) == email_of("user")


def test_no_table_has_what_redeems_a_code(sso, browser, cast):
    started = browser.post("/accounts/sso/", {"next": "/keys/"})
    asked = dict(parse_qsl(urlsplit(started["Location"]).query))
    [row] = SsoRequest.objects.values()
    assert not {asked["state"], asked["nonce"]} & {str(value) for value in row.values()}


def test_a_provider_that_is_down_leaves_the_other_ways_and_the_sessions(sso, browser, cast):
    inside = signed_in(cast.owner)
    sso.down = True
    answer = browser.post("/accounts/sso/")
    assert answer.status_code == 503
    assert "provider answers 503" in text(answer)
    assert inside.get("/keys/").status_code == 200
    assert (
        browser.post("/accounts/login/", {"login": email_of("user"), "password": PASSWORD}).status_code == 302
    )
    assert who_is_in(browser) == email_of("user")


@pytest.mark.parametrize(
    ("page", "why"),
    [
        ((302, b"http://127.0.0.1:9/"), "answers 302"),
        ((200, b"<html>"), "cannot be read"),
        ((200, b"[]"), "cannot be read"),
        ((200, b"[" * 100_000), "cannot be read"),
        ((200, b'{"x": "' + b"x" * 600_000 + b'"}'), "longer than"),
        ((200, b'{"issuer": "https://login.example.com"}'), "PORTAL_OIDC_ISSUER"),
    ],
)
def test_an_unusable_description_is_explained(sso, browser, cast, page, why):
    sso.pages["/.well-known/openid-configuration"] = page
    assert why in text(browser.post("/accounts/sso/"))


def test_keys_are_read_again_if_a_token_names_a_new_one_but_not_each_time(sso, browser, cast, monkeypatch):
    come_back(browser, sso, **ADMIN)
    sso.renew_key("k2")
    assert "does not publish" in refused(Client(), sso, **ADMIN)  # within the minute
    monkeypatch.setattr(known, "REREAD_AFTER", 0)
    again = Client()
    come_back(again, sso, **ADMIN)
    assert who_is_in(again) == email_of("admin")
    assert (sso.requests["/jwks"], sso.requests["/.well-known/openid-configuration"]) == (2, 1)


def test_kept_input_comes_back_after_sso_and_is_encrypted_meanwhile(sso, browser_of, cast):
    browser = browser_of("admin")
    Session.objects.update(expire_date=timezone.now())
    page = browser.post("/keys/register/", {"name": "Nightly export", "purpose": "Copies accounts."})
    kept = attribute(elements(page, "input", name="kept")[0], "value")
    started = browser.post("/accounts/sso/", {"next": "/keys/register/", "kept": kept})
    assert kept not in SsoRequest.objects.get().kept
    resumed = browser.get(sso.answer(started["Location"], **ADMIN))
    assert "Copies accounts." in resumed.content.decode()
    assert "What you entered is kept" in text(resumed)


def test_without_a_provider_there_is_nothing(browser, cast):
    assert browser.post("/accounts/sso/").status_code == 404
    assert browser.get("/accounts/sso/callback/").status_code == 404
    assert "SSO" not in text(browser.get("/accounts/login/"))


def test_erasing_a_person_ends_the_link_without_a_contradiction(sso, browser, cast):
    come_back(browser, sso, **ADMIN)
    User.objects.filter(pk=cast.admin.pk).update(is_active=False)
    erase_person(None, email_of("admin"))
    assert (SsoLink.objects.count(), list(changed_links())) == (0, [])
    assert "id-of-admin" not in str(list(AuditEvent.objects.values_list("details", "personal", "leaf")))


def test_the_history_of_a_person_tells_of_the_link(sso, browser, browser_of, cast):
    come_back(browser, sso, **ADMIN)
    page = browser_of("owner").get(f"/people/{cast.admin.pk}/")
    assert "Linked with SSO" in text(page)


def test_the_check_refuses_a_provider_without_a_client_id(settings):
    settings.PORTAL_OIDC_ISSUER, settings.PORTAL_OIDC_CLIENT_ID = "https://login.example.com", ""
    assert [found.id for found in provider_is_configured()] == ["keys.E008"]


def test_the_verification_finds_links_that_no_event_explains(sso, browser, cast):
    come_back(browser, sso, **ADMIN)
    assert list(changed_links()) == []
    real = SsoLink.objects.get()
    forged = SsoLink.objects.create(
        user=cast.owner, issuer=sso.issuer, subject="attacker", linked_at=real.linked_at, event_id=0
    )
    assert [found.words.split(", ")[1] for found in changed_links()] == ["and no event says so."]
    forged.delete()
    SsoLink.objects.filter(pk=real.pk).update(subject="attacker")
    assert len(list(contradictions())) > 0
    assert [found.event for found in changed_links()] == [real.event_id]
    SsoLink.objects.all().delete()
    assert ["was deleted" in found.words for found in changed_links()] == [True]
