"""Speak OpenID Connect with the sign-in provider. Sign-in and step-up share this client."""

from __future__ import annotations

from django.conf import settings

from keys.oidc.client import Answer, redeem, sign_in_url
from keys.oidc.provider import Provider, current_provider

__all__ = ["Answer", "Provider", "current_provider", "is_configured", "redeem", "sign_in_url"]


def is_configured() -> bool:
    return bool(settings.PORTAL_OIDC_ISSUER)
