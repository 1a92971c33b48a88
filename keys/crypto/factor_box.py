"""Encrypt the secrets of second factors and channels, and make the digests that name a factor in events."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.views.decorators.debug import sensitive_variables

FACTORS, CHANNELS = b"cerby-key-portal second factors", b"cerby-key-portal channels"
"""Purposes. Each has its own key, so that a text of one cannot be opened as another."""
NONCE = 12
VERSION = "v1:"


class CannotDecryptError(ValueError):
    """No key opens the text: SECRET_KEY has changed without a fallback, or somebody changed the row."""


@sensitive_variables()
def encrypt(text: str, secret_key: str, purpose: bytes = FACTORS) -> str:
    """Return ``text``, encrypted with a key that is derived from ``secret_key``."""
    nonce = secrets.token_bytes(NONCE)
    sealed = AESGCM(_key(secret_key, purpose)).encrypt(nonce, text.encode(), purpose)
    return VERSION + base64.b64encode(nonce + sealed).decode()


@sensitive_variables()
def decrypt(encrypted: str, secret_keys: Sequence[str], purpose: bytes = FACTORS) -> str:
    """Return the text, opened with one of ``secret_keys``. Raises ``CannotDecryptError``."""
    try:
        raw = base64.b64decode(encrypted.removeprefix(VERSION), validate=True)
    except ValueError as error:
        raise CannotDecryptError from error
    for secret_key in secret_keys:
        try:
            return AESGCM(_key(secret_key, purpose)).decrypt(raw[:NONCE], raw[NONCE:], purpose).decode()
        except (InvalidTag, ValueError):
            continue
    raise CannotDecryptError


def digest_of_factor(user_id: int, method: str, secret: str) -> str:
    """Return the digest that an event has of a factor: 32 hexadecimal digits, one-way.

    ``secret`` is the secret of an app, the seed of recovery codes, or the public part of a passkey.
    """
    text = "\0".join(("cerby-key-portal factor", str(user_id), method, secret))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _key(secret_key: str, purpose: bytes) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=purpose).derive(secret_key.encode())
