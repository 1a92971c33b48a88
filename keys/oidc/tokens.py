"""Check an ID token, and return its claims about the person."""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jwt
from django.conf import settings

from keys.oidc.provider import Provider
from keys.rules.errors import ProviderRefused
from keys.rules.sso import LONG_EMAIL, LONGEST_EMAIL, LONGEST_SUBJECT, SKEW, Claims

OLDEST = 10 * 60
NO_AUTH_TIME = (
    "The sign-in provider does not say when you signed in there (auth_time), so it cannot confirm your "
    "identity. "
    "Confirm it in another way."
)


def with_email(claims: Claims, facts: Mapping[str, Any]) -> Claims:
    """Return ``claims`` with the email of ``facts``, the answer about the same person."""
    email, verified = _email(facts)
    return replace(claims, email=email, email_verified=verified)


def read_id_token(token: str, provider: Provider, *, nonce: str) -> Claims:
    """Check signature, issuer, audience, times and ``nonce``.

    Raises ``ProviderRefused``, with the reason as a sentence, and ``ProviderDown``.
    """
    facts = _decoded(token, provider)
    audience = facts["aud"] if isinstance(facts["aud"], list) else [facts["aud"]]
    party = facts.get("azp")
    if (len(audience) > 1 or party is not None) and party != settings.PORTAL_OIDC_CLIENT_ID:
        raise ProviderRefused("The sign-in provider's answer is meant for another program.")
    if not hmac.compare_digest(str(facts.get("nonce", "")).encode(), nonce.encode()):
        raise ProviderRefused("The sign-in provider's answer belongs to another sign-in: its nonce is wrong.")
    if not time.time() - OLDEST <= facts["iat"]:
        raise ProviderRefused("The sign-in provider's answer is too old. Check both clocks.")
    subject, auth_time = facts["sub"], facts.get("auth_time")
    if not isinstance(subject, str) or not 0 < len(subject) <= LONGEST_SUBJECT or not subject.isprintable():
        raise ProviderRefused("The sign-in provider's answer does not say who signed in.")
    return Claims(
        provider.issuer,
        subject,
        *_email(facts),
        int(auth_time) if isinstance(auth_time, int | float) and not isinstance(auth_time, bool) else None,
        str(facts.get("acr") or ""),
    )


def _decoded(token: str, provider: Provider) -> dict[str, Any]:
    try:
        header = jwt.get_unverified_header(token)
        key = provider.key(header.get("kid"), str(header.get("alg")))
        facts: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[str(header["alg"])],
            audience=settings.PORTAL_OIDC_CLIENT_ID,
            issuer=provider.issuer,
            leeway=SKEW,
            options={"require": ["iss", "sub", "aud", "exp", "iat"]},
        )
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError) as error:
        raise ProviderRefused(f"The sign-in provider's answer is not valid: {_words(error)}.") from error
    return facts


_WORDS = {
    jwt.InvalidAudienceError: "it is meant for another program",
    jwt.InvalidIssuerError: "it comes from another provider",
    jwt.ExpiredSignatureError: "it has expired",
    jwt.ImmatureSignatureError: "it comes from the future; check both clocks",
    jwt.InvalidSignatureError: "its signature is wrong",
}


def _words(error: Exception) -> str:
    return next((words for kind, words in _WORDS.items() if isinstance(error, kind)), "it cannot be read")


def _email(facts: Mapping[str, Any]) -> tuple[str, bool]:
    """Return the email in lower case, and whether the provider says that it belongs to the person."""
    email = facts.get("email")
    if isinstance(email, str) and len(email) > LONGEST_EMAIL:
        raise ProviderRefused(LONG_EMAIL)
    return (email.strip().lower() if isinstance(email, str) else ""), facts.get("email_verified") is True
