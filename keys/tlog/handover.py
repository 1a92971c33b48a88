"""Hand the MAC chain from one node to another through the database, without losing its forward security.

A node that joins makes a key pair and asks for the chain with the public key. A node that has the chain
encrypts its present state for that key (RFC 9180, HPKE). The private key is deleted when the answer has
arrived, so nobody can decrypt it later, not even with the machine and a backup of the database.

Both messages carry a MAC with a key that is derived from the settings that all nodes share. So somebody who
can only write to the database can neither ask for the chain nor make a node use a chain of theirs.
"""

from __future__ import annotations

import hmac
import json
import time
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from keys.tlog.mac_ratchet import Ratchet

VALID_FOR = 600
"""Seconds. A node asks again before its request becomes invalid."""
_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_ASK, _ANSWER = b"cerby-key-portal chain request\n", b"cerby-key-portal chain answer\n"


def ask(node: str) -> tuple[str, str]:
    """Return a new private key in hex, which must stay on this machine, and the request to publish."""
    private = X25519PrivateKey.generate()
    body = {
        "at": int(time.time()),
        "key": private.public_key().public_bytes_raw().hex(),
        "node": node,
    }
    request = json.dumps(body | {"mac": _mac(_shared_keys()[0], _ASK + _bytes(body))}, sort_keys=True)
    return private.private_bytes_raw().hex(), request


def is_fresh(request: str) -> bool:
    """Return whether ``request``, which this node made itself, is still valid for half of its time."""
    return abs(time.time() - int(json.loads(request)["at"])) < VALID_FOR / 2


def answer(request: str, node: str, chain: Ratchet) -> str | None:
    """Encrypt ``chain`` for the node that made ``request``. None if the request is not genuine or too old."""
    try:
        body: dict[str, Any] = json.loads(request)
        mac, at, key = str(body.pop("mac")), int(body["at"]), bytes.fromhex(body["key"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    shared = next((each for each in _shared_keys() if _is(_mac(each, _ASK + _bytes(body)), mac)), None)
    if shared is None or body.get("node") != node or abs(time.time() - at) > VALID_FOR:
        return None
    sealed = _SUITE.encrypt(
        chain.as_json().encode(), X25519PublicKey.from_public_bytes(key), request.encode()
    )
    return json.dumps({"mac": _mac(shared, _answered(request, sealed)), "sealed": sealed.hex()})


def open_answer(private: str, request: str, text: str) -> Ratchet | None:
    """Return the chain in the answer to ``request``, or None if the answer is not genuine."""
    try:
        body: dict[str, Any] = json.loads(text)
        mac, sealed = str(body["mac"]), bytes.fromhex(body["sealed"])
        if not any(_is(_mac(each, _answered(request, sealed)), mac) for each in _shared_keys()):
            return None
        key = X25519PrivateKey.from_private_bytes(bytes.fromhex(private))
        return Ratchet.from_json(_SUITE.decrypt(sealed, key, request.encode()).decode())
    except (ValueError, KeyError, TypeError, InvalidTag):
        return None


def _answered(request: str, sealed: bytes) -> bytes:
    return _ANSWER + request.encode() + b"\n" + sealed


def _shared_keys() -> list[bytes]:
    """Derive a key from each secret that all nodes have. The first is used; the others are accepted."""
    secrets: list[bytes] = [settings.PORTAL_AUDIT_SIGNING_KEY] if settings.PORTAL_AUDIT_SIGNING_KEY else []
    secrets += [each.encode() for each in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]
    return [
        HKDF(algorithm=SHA256(), length=32, salt=None, info=b"cerby-key-portal nodes").derive(each)
        for each in secrets
    ]


def _mac(key: bytes, message: bytes) -> str:
    return hmac.digest(key, message, "sha256").hex()


def _is(expected: str, found: str) -> bool:
    return hmac.compare_digest(expected.encode(), found.encode())


def _bytes(body: dict[str, Any]) -> bytes:
    return json.dumps(body, sort_keys=True).encode()
