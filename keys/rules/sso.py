"""Say which sign-in provider the settings name, and what its answers have in common, by OIDC or SAML."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings

SKEW = 5
"""Seconds by which the provider's clock may differ from ours when it says when a person signed in."""
LONGEST_SUBJECT = 255
"""Characters (OpenID Connect Core 1.0, section 2; SAML 2.0 Core, section 8.3.7, has 256)."""


LONGEST_EMAIL = 254
"""Characters (RFC 5321, section 4.5.3.1.3, with the errata)."""
LONG_EMAIL = f"The email in the sign-in provider's answer is longer than {LONGEST_EMAIL} characters."


@dataclass(frozen=True)
class Claims:
    """Who signed in: ``subject`` at ``issuer``. ``auth_time``: when they last proved it, if known."""

    issuer: str
    subject: str
    email: str
    email_verified: bool
    auth_time: int | None
    acr: str


def uses_saml() -> bool:
    return bool(settings.PORTAL_SAML_ISSUER)


def issuer() -> str:
    """Return the name of the provider, or "" if none is configured. portal.conf refuses two."""
    return str(_setting("ISSUER"))


def button() -> str:
    """Return the words on the button that leads to the provider, or "" if none is configured."""
    return str(_setting("NAME")) if issuer() else ""


def contexts() -> tuple[str, ...]:
    """Return the kinds of sign-in, one of which a step-up must prove. If empty, any kind does."""
    return tuple(_setting("ACR"))


def emails_verified() -> bool:
    """Return whether the emails that the provider names belong to its people, even if it does not say so."""
    return bool(_setting("EMAILS_VERIFIED"))


def admits() -> str:
    """Return who may sign in without having been added: "added" (nobody), "admins" or "users"."""
    return str(_setting("ADMIT"))


def setting_name(name: str) -> str:
    return f"PORTAL_{'SAML' if uses_saml() else 'OIDC'}_{name}"


def _setting(name: str) -> Any:
    return getattr(settings, setting_name(name))
