"""Send a person to the sign-in provider, and redeem the code with which they come back."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from django.conf import settings
from django.urls import reverse
from django.utils.crypto import salted_hmac

from keys.oidc.provider import LATER, OK, Provider, current_provider, read_json, send
from keys.oidc.tokens import read_id_token, with_email
from keys.rules.errors import ProviderDown, ProviderRefused
from keys.rules.sso import Claims


@dataclass(frozen=True)
class Answer:
    """What the browser brought back from the provider: the parameters of the address."""

    code: str
    iss: str
    error: str


def redirect_address() -> str:
    """Return the address to register at the provider."""
    return f"{settings.PORTAL_URL}{reverse('account_sso_callback')}"


def sign_in_url(state: str, *, step_up: bool, other_account: bool = False) -> str:
    """Return the provider's address for the request ``state``. Raises ``ProviderDown`` and
    ``ProviderRefused``.

    Nothing of it comes from the query string of one of our addresses. ``step_up`` asks the provider to ask
    the person again, which its answer must prove. ``other_account`` asks it to let the person choose.
    """
    at = current_provider()
    asked = {
        "response_type": "code",
        "client_id": settings.PORTAL_OIDC_CLIENT_ID,
        "redirect_uri": redirect_address(),
        "scope": settings.PORTAL_OIDC_SCOPES,
        "state": state,
        "nonce": _nonce(state),
        "code_challenge": _challenge(_verifier(state)),
        "code_challenge_method": "S256",
    }
    if step_up:
        asked |= {"prompt": "login", "max_age": "0"}
        if settings.PORTAL_OIDC_ACR:
            asked["acr_values"] = " ".join(settings.PORTAL_OIDC_ACR)
    elif other_account:  # many providers refuse a prompt that they do not know, but all know "login"
        offers_choice = at.lists("prompt_values_supported", "select_account")
        asked["prompt"] = "select_account" if offers_choice else "login"
    address = at.address("authorization_endpoint")
    return f"{address}{'&' if '?' in address else '?'}{urlencode(asked)}"


def redeem(state: str, answer: Answer, *, wants_email: Callable[[Claims], bool] | None = None) -> Claims:
    """Return who signed in for the request ``state``. Raises ``ProviderRefused`` and ``ProviderDown``.

    ``wants_email`` says whether to ask the provider for the email if its ID token has none.
    """
    at = current_provider()
    if (at.sends_iss or answer.iss) and answer.iss != at.issuer:
        raise ProviderRefused("The answer comes from another sign-in provider.")
    if answer.error or not answer.code:
        raise ProviderRefused(f"The sign-in provider refused: {_error(answer.error)}.")
    tokens = _tokens(at, answer.code, state)
    id_token, access_token = tokens.get("id_token"), tokens.get("access_token")
    if not isinstance(id_token, str):
        raise ProviderRefused(
            "The sign-in provider sent no ID token. Check that the scopes contain “openid”."
        )
    claims = read_id_token(id_token, at, nonce=_nonce(state))
    can_ask = isinstance(access_token, str) and "userinfo_endpoint" in at.facts
    if wants_email is not None and not claims.email and can_ask and wants_email(claims):
        return _with_email(at, claims, str(access_token))
    return claims


def _with_email(at: Provider, claims: Claims, access_token: str) -> Claims:
    facts = read_json(at.address("userinfo_endpoint"), {"Authorization": f"Bearer {access_token}"})
    if facts.get("sub") != claims.subject:
        raise ProviderRefused("The sign-in provider answers about another person.")
    return with_email(claims, facts)


def _tokens(at: Provider, code: str, state: str) -> dict[str, object]:
    form, headers = token_request(at, code, state)
    status, tokens = send(at.address("token_endpoint"), form=form, headers=headers)
    if status >= 500:  # noqa: PLR2004 - a failure of the server
        raise ProviderDown(f"The sign-in provider answers {status}. {LATER}")
    if status != OK:
        raise ProviderRefused(f"The sign-in provider refused: {_error(str(tokens.get('error', '')))}.")
    return tokens


def token_request(at: Provider, code: str, state: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the form and the headers that redeem ``code``, which contain the client's secret."""
    client, secret = settings.PORTAL_OIDC_CLIENT_ID, settings.PORTAL_OIDC_CLIENT_SECRET
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_address(),
        "code_verifier": _verifier(state),
    }
    if secret and at.lists("token_endpoint_auth_methods_supported", "client_secret_basic") is not False:
        pair = f"{quote(client, safe='')}:{quote(secret, safe='')}"
        return form, {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    return form | {"client_id": client} | ({"client_secret": secret} if secret else {}), {}


_ERRORS = {
    "access_denied": "it does not allow you to use the portal, or you cancelled",
    "login_required": "it did not ask you to sign in",
    "invalid_client": "the portal's client id or secret is wrong",
    "invalid_grant": "the code was used already, is too old, or belongs to another sign-in",
    "temporarily_unavailable": "it is not available at the moment",
    "unmet_authentication_requirements": "it cannot ask for the strength of sign-in that the portal needs",
}


def _error(name: str) -> str:
    return _ERRORS.get(name, "it gave no reason that the portal knows")


def _nonce(state: str) -> str:
    return _derived("nonce", state)


def _verifier(state: str) -> str:
    return _derived("verifier", state)


def _derived(use: str, state: str) -> str:
    """Return a value that only the portal can compute from ``state``, so that no table contains it."""
    raw = salted_hmac(f"keys.oidc.{use}", state, algorithm="sha256").digest()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
