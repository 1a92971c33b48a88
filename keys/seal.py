"""Seals a new key to one browser tab, and keeps of it only what recognises it again.

Source of the scheme: RFC 9180 (HPKE), single shot, base mode; `static/hpke.js` is its other half.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from keys.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

SUITE = Suite(KEM.P256, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
APPLICATION = "cerby-key-portal reveal v1"
POINT_LENGTH = 65  # bytes: 0x04, then x and y of 32 bytes each
LAST_FOUR_NEEDS = 12  # characters; of a shorter secret, four would say too much

_BAD_TAB_KEY = "This browser tab sent no usable public key. Reload the page and try again."


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What is stored of a key for ever: a keyed digest of 32 bytes, and which pepper made it."""

    pepper_id: str
    digest: bytes


def seal(secret: str, *, tab_key: bytes, info: bytes) -> bytes:
    """Encrypt `secret` so that only the tab that holds the private half of `tab_key` can open it.

    `tab_key` is an uncompressed P-256 point of 65 bytes, `info` comes from `reveal_info`.
    Returns the encapsulated key (65 bytes) followed by the ciphertext and its tag (16 bytes).
    Raises `Invalid`: `tab_key` is no point of the curve, or the secret is not ASCII.
    """
    if not secret.isascii():
        # Said before encoding: an encoding error would carry the secret in its repr.
        raise Invalid("An API key travels in an HTTP header, so it has to be plain ASCII text.")
    return SUITE.encrypt(secret.encode("ascii"), _public_key(tab_key), info)


def parse_tab_key(text: str) -> bytes:
    """Read a tab's public key: base64url without padding of an uncompressed P-256 point of 65 bytes.

    Raises `Invalid` with the field `tab_key`.
    """
    try:
        point = base64.b64decode(text + "=", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise Invalid(tab_key=_BAD_TAB_KEY) from None
    if _base64url(point) != text:  # one key has one spelling
        raise Invalid(tab_key=_BAD_TAB_KEY)
    _public_key(point)
    return point


def thumbprint(tab_key: bytes) -> str:
    """Name a tab's public key (65 bytes): its JWK thumbprint by RFC 7638, SHA-256 in base64url."""
    jwk = {"crv": "P-256", "kty": "EC", "x": _base64url(tab_key[1:33]), "y": _base64url(tab_key[33:])}
    canonical = json.dumps(jwk, separators=(",", ":"), sort_keys=True)
    return _base64url(hashlib.sha256(canonical.encode()).digest())


def reveal_info(*, workspace: str, key_id: UUID, user_id: UUID | int, thumbprint: str) -> bytes:
    """Bind a sealed key to its place: the HPKE `info`, which both sides must state alike.

    Each part is UTF-8 after its length in two bytes, so that no two different places give the same
    bytes. `static/reveal-info.js` makes the same ones.
    """
    parts = [part.encode() for part in (APPLICATION, workspace, str(key_id), str(user_id), thumbprint)]
    return b"".join(len(part).to_bytes(2, "big") + part for part in parts)


def fingerprint(secret: str, *, peppers: Mapping[str, bytes], pepper_id: str | None = None) -> Fingerprint:
    """Fingerprint a key with HMAC-SHA256 under one pepper, by default the newest: the mapping's last.

    Raises `ValueError`: there is no pepper; `KeyError`: there is none of that id.
    """
    if not peppers:
        raise ValueError("There is no pepper to make a fingerprint with.")
    if pepper_id is None:
        pepper_id = list(peppers)[-1]
    # "surrogatepass" takes every str, so that no encoding error can carry the secret away.
    message = secret.encode("utf-8", "surrogatepass")
    return Fingerprint(pepper_id, hmac.digest(peppers[pepper_id], message, "sha256"))


def matches(secret: str, stored: Fingerprint, peppers: Mapping[str, bytes]) -> bool:
    """Tell, in constant time, whether `secret` is the key of a stored fingerprint.

    False as well when the pepper of that fingerprint is no longer configured.
    """
    if stored.pepper_id not in peppers:
        return False
    offered = fingerprint(secret, peppers=peppers, pepper_id=stored.pepper_id)
    return hmac.compare_digest(offered.digest, stored.digest)


def last_four(secret: str) -> str:
    """Give the four last characters, to tell keys apart by eye; of a very short secret, nothing."""
    return secret[-4:] if len(secret) >= LAST_FOUR_NEEDS else ""


def _public_key(tab_key: bytes) -> EllipticCurvePublicKey:
    if len(tab_key) != POINT_LENGTH:
        raise Invalid(tab_key=_BAD_TAB_KEY)
    try:
        return EllipticCurvePublicKey.from_encoded_point(SECP256R1(), tab_key)
    except ValueError:
        raise Invalid(tab_key=_BAD_TAB_KEY) from None


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
