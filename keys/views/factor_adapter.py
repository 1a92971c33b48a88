"""Adapt allauth.mfa: where secrets are encrypted, and how the portal names itself to authenticators."""

from __future__ import annotations

from urllib.parse import urlsplit

from allauth.mfa.adapter import DefaultMFAAdapter
from django.conf import settings
from django.views.decorators.debug import sensitive_variables

from keys.crypto import factor_box


class FactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    error_messages = DefaultMFAAdapter.error_messages | {
        "incorrect_code": "This passkey was not accepted. Try again, or use another way to sign in.",
    }

    @sensitive_variables()
    def encrypt(self, text: str) -> str:
        return factor_box.encrypt(text, settings.SECRET_KEY)

    @sensitive_variables()
    def decrypt(self, encrypted_text: str) -> str:
        keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
        return factor_box.decrypt(encrypted_text, keys)

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """Bind passkeys to the host of PORTAL_URL, not to that of a request."""
        return {"id": urlsplit(settings.PORTAL_URL).hostname or "localhost", "name": "Cerby Key Portal"}
