"""Encrypt a text that a table holds for minutes, with a key that the table does not hold."""

from __future__ import annotations

import base64

from cryptography.fernet import Fernet, InvalidToken
from django.utils.crypto import salted_hmac


def lock(text: str, secret: str) -> str:
    """Return ``text`` encrypted with a key that needs ``secret`` and the portal's secret key."""
    return _box(secret).encrypt(text.encode()).decode() if text else ""


def unlock(locked: str, secret: str) -> str:
    """Return the text, or "" if it was encrypted with another secret or changed."""
    try:
        return _box(secret).decrypt(locked.encode()).decode() if locked else ""
    except InvalidToken:
        return ""


def _box(secret: str) -> Fernet:
    key = salted_hmac("keys.kept-text", secret, algorithm="sha256").digest()
    return Fernet(base64.urlsafe_b64encode(key))
