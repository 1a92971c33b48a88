"""``manage.py oidc_check``: each wrong setting is found, and the sentence says what to do."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from keys.actions.sso.refuse import refuse_step_up
from keys.oidc.tokens import NO_AUTH_TIME
from tests.cast import actor
from tests.support.odd_provider import OddProvider

DESCRIPTION = "/.well-known/openid-configuration"


@pytest.fixture
def check(sso, settings):
    """Return a function that runs the command and returns the lines about what is not ok."""
    policy = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
    settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": policy | {"form-action": ["'self'", sso.issuer]}}

    def run() -> list[str]:
        said = StringIO()
        try:
            call_command("oidc_check", stdout=said)
        except CommandError as error:
            said.write(str(error))
        lines = said.getvalue().splitlines()
        assert lines[0].endswith("http://testserver/accounts/sso/callback/")
        return [line for line in lines[1:] if line.startswith(("PROBLEM", "unknown", "Correct"))]

    return run


def test_a_fitting_provider_has_no_problem(sso, check):
    sso.facts["code_challenge_methods_supported"] = ["S256"]
    [unknown] = check()
    assert "only a person who confirms their identity can prove it" in unknown


def test_a_provider_that_asks_to_sign_in_instead_of_answering_is_no_problem(sso, check):
    """LemonLDAP::NG does so with the status 401, whether or not it knows the redirect address."""
    sso.facts["code_challenge_methods_supported"] = ["S256"]
    sso.asks_to_sign_in = True
    [redirect, _] = check()
    assert redirect.startswith("unknown  redirect address: The provider shows a page instead of an answer.")


def change(**facts: Any) -> Any:
    return lambda sso, settings: sso.facts.update(facts)


def _set(thing: Any, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(thing, name, value)


def set_to(**values: Any) -> Any:
    return lambda sso, settings: _set(settings, values)


def attribute(**values: Any) -> Any:
    return lambda sso, settings: _set(sso, values)


WRONG: dict[str, tuple[Any, str]] = {
    "no client id": (set_to(PORTAL_OIDC_CLIENT_ID=""), "PORTAL_OIDC_CLIENT_ID must be set"),
    "down": (attribute(down=True), "answers 503"),
    "another issuer": (change(issuer="https://login.example.com"), "set PORTAL_OIDC_ISSUER to the former"),
    "moved": (
        attribute(pages={DESCRIPTION: (302, b"https://login.example.com/x")}),
        "leads to https://login.example.com/x. Set PORTAL_OIDC_ISSUER",
    ),
    "no description": (attribute(pages={DESCRIPTION: (404, b"")}), "answers 404. Set PORTAL_OIDC_ISSUER"),
    "a page of HTML": (
        attribute(pages={DESCRIPTION: (200, b"<html>")}),
        "cannot be read. Check PORTAL_OIDC_ISSUER",
    ),
    "nobody listens": (
        set_to(PORTAL_OIDC_ISSUER="http://127.0.0.1:9"),
        "127.0.0.1 did not answer: ConnectionError. Check PORTAL_OIDC_ISSUER",
    ),
    "private": (set_to(PORTAL_OIDC_ISSUER="https://127.0.0.1:9"), "set PORTAL_OIDC_PRIVATE=true"),
    "keys away": (attribute(pages={"/jwks": (500, b"")}), "keys: The sign-in provider answers 500."),
    "clock": (attribute(clock=60), "clocks differ by"),
    "algorithm": (change(id_token_signing_alg_values_supported=["HS256"]), "Let the provider sign"),
    "PKCE": (
        change(code_challenge_methods_supported=["plain"]),
        "does not support S256, which the portal needs",
    ),
    "sign-in page": (change(authorization_endpoint="https://login.example.com/a"), "PORTAL_OIDC_FORM_ACTION"),
    "redirect address": (
        attribute(redirects=()),
        "Register exactly http://testserver/accounts/sso/callback/",
    ),
    "secret": (set_to(PORTAL_OIDC_CLIENT_SECRET="wrong"), "PORTAL_OIDC_CLIENT_SECRET"),
    "scopes": (set_to(PORTAL_OIDC_SCOPES="email"), "must contain openid"),
    "acr": (set_to(PORTAL_OIDC_ACR=("x",)), "Set PORTAL_OIDC_ACR to what it lists"),
    "no auth_time": (change(claims_supported=["sub"]), "PORTAL_STEP_UP=portal"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_setting_is_found(sso, check, settings, name):
    sso.facts |= {"code_challenge_methods_supported": ["S256"], "acr_values_supported": []}
    wrong, why = WRONG[name]
    wrong(sso, settings)
    said = check()
    assert why in said[0] or why in said[-1] or why in said[-2]
    assert said[-1].startswith("Correct") or name == "no auth_time"


def test_a_confirmation_without_auth_time_is_remembered(sso: OddProvider, check, cast):
    refuse_step_up(actor(cast.admin), NO_AUTH_TIME)
    assert "It was missing in the confirmation of" in check()[-1]
