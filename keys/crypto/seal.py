"""Encrypt a new key so that only one browser tab can open it.

The scheme is RFC 9180 (HPKE), single-shot, base mode. ``static/hpke.js`` decrypts.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from keys.rules.errors import Invalid

SUITE = Suite(KEM.P256, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
APPLICATION = "cerby-key-portal reveal v1"
POINT_LENGTH = 65  # bytes: 0x04, then x and y of 32 bytes each

_BAD_TAB_KEY = "This browser tab sent no usable public key. Reload the page and try again."


def seal(secret: str, *, tab_key: bytes, info: bytes) -> bytes:
    """Encrypt ``secret`` so that only the tab that holds the private key of ``tab_key`` can open it.

    ``tab_key`` is an uncompressed P-256 point of 65 bytes, ``info`` comes from ``reveal_info``.
    Returns the encapsulated key (65 bytes) followed by the ciphertext and its tag (16 bytes).
    Raises ``Invalid`` if ``tab_key`` is not a point of the curve or the secret is not ASCII.
    """
    if not secret.isascii():
        # Check before encoding: the repr of an encoding error contains the secret.
        raise Invalid("An API key is sent in an HTTP header, so it has to be plain ASCII text.")
    return SUITE.encrypt(secret.encode("ascii"), _public_key(tab_key), info)


def parse_tab_key(text: str) -> bytes:
    """Decode a tab's public key: an uncompressed P-256 point of 65 bytes in base64url without padding.

    Raises ``Invalid`` with the field ``tab_key``.
    """
    try:
        point = base64.b64decode(text + "=", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise Invalid(tab_key=_BAD_TAB_KEY) from None
    if _base64url(point) != text:  # reject alternative encodings of the same bytes
        raise Invalid(tab_key=_BAD_TAB_KEY)
    _public_key(point)
    return point


def thumbprint(tab_key: bytes) -> str:
    """Return the JWK thumbprint of a tab's public key (65 bytes): RFC 7638, SHA-256 in base64url."""
    jwk = {"crv": "P-256", "kty": "EC", "x": _base64url(tab_key[1:33]), "y": _base64url(tab_key[33:])}
    canonical = json.dumps(jwk, separators=(",", ":"), sort_keys=True)
    return _base64url(hashlib.sha256(canonical.encode()).digest())


def reveal_info(*, workspace: str, key_id: UUID, user_id: UUID | int, thumbprint: str) -> bytes:
    """Return the HPKE ``info`` that binds a sealed key to its workspace, key, user and tab.

    Each part is UTF-8, preceded by its length in two bytes, so that different parts never give the same
    bytes. ``static/reveal-info.js`` computes the same value.
    """
    parts = [part.encode() for part in (APPLICATION, workspace, str(key_id), str(user_id), thumbprint)]
    return b"".join(len(part).to_bytes(2, "big") + part for part in parts)


def _public_key(tab_key: bytes) -> EllipticCurvePublicKey:
    if len(tab_key) != POINT_LENGTH:
        raise Invalid(tab_key=_BAD_TAB_KEY)
    try:
        return EllipticCurvePublicKey.from_encoded_point(SECP256R1(), tab_key)
    except ValueError:
        raise Invalid(tab_key=_BAD_TAB_KEY) from None


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
