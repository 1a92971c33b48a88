"""Recognise a key without storing it: by a keyed digest and its last four characters."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

LAST_FOUR_NEEDS = 12  # characters; four characters of a shorter secret would reveal too much of it


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The stored form of a key: a keyed digest of 32 bytes and the id of the pepper that made it."""

    pepper_id: str
    digest: bytes


def compute(secret: str, *, peppers: Mapping[str, bytes], pepper_id: str | None = None) -> Fingerprint:
    """Fingerprint a key with HMAC-SHA256 under one pepper, by default the mapping's last one, the newest.

    Raises ``ValueError`` if there is no pepper at all, ``KeyError`` if there is none with this id.
    """
    if not peppers:
        raise ValueError("There is no pepper to make a fingerprint with.")
    if pepper_id is None:
        pepper_id = list(peppers)[-1]
    # "surrogatepass" encodes every str; an encoding error would contain the secret.
    message = secret.encode("utf-8", "surrogatepass")
    return Fingerprint(pepper_id, hmac.digest(peppers[pepper_id], message, "sha256"))


def matches(secret: str, stored: Fingerprint, peppers: Mapping[str, bytes]) -> bool:
    """Return, in constant time, whether ``secret`` has the stored fingerprint.

    Return False as well if the fingerprint's pepper is no longer configured.
    """
    if stored.pepper_id not in peppers:
        return False
    offered = compute(secret, peppers=peppers, pepper_id=stored.pepper_id)
    return hmac.compare_digest(offered.digest, stored.digest)


def digest_for_log(stored: Fingerprint) -> str:
    """Return the digest by which audit events name a fingerprint: 32 hexadecimal digits, one-way.

    Nobody can look a key up with it, even with the pepper, but the row of the key must have its fingerprint.
    """
    recorded = b"\0".join((b"cerby-key-portal fingerprint", stored.pepper_id.encode(), stored.digest))
    return hashlib.sha256(recorded).hexdigest()[:32]


def last_four(secret: str) -> str:
    """Return the last four characters, so that people can tell keys apart; nothing if it is very short."""
    return secret[-4:] if len(secret) >= LAST_FOUR_NEEDS else ""
