"""Recognise a key without storing it: a keyed digest, and the last four characters."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass

LAST_FOUR_NEEDS = 12  # characters; of a shorter secret, four would say too much


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What is stored of a key for ever: a keyed digest of 32 bytes, and which pepper made it."""

    pepper_id: str
    digest: bytes


def compute(secret: str, *, peppers: Mapping[str, bytes], pepper_id: str | None = None) -> Fingerprint:
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
    offered = compute(secret, peppers=peppers, pepper_id=stored.pepper_id)
    return hmac.compare_digest(offered.digest, stored.digest)


def last_four(secret: str) -> str:
    """Give the four last characters, to tell keys apart by eye; of a very short secret, nothing."""
    return secret[-4:] if len(secret) >= LAST_FOUR_NEEDS else ""
