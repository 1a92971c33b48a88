"""Sign checkpoints of the tree: C2SP "tlog-checkpoint" texts in "signed-note" form."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings

_ED25519 = b"\x01"
"""The type byte of an Ed25519 key in a signed note."""


@dataclass(frozen=True)
class Signer:
    """``name`` is also the log's origin: the first line of each checkpoint."""

    name: str
    key: Ed25519PrivateKey

    @property
    def _public(self) -> bytes:
        return _ED25519 + self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @property
    def _key_id(self) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n" + self._public).digest()[:4]

    @property
    def vkey(self) -> str:
        """Return the public key in the signed-note format, which verifiers need."""
        return f"{self.name}+{self._key_id.hex()}+{_base64(self._public)}"

    def note(self, text: str) -> str:
        """Return ``text`` and its signature. Each line of ``text`` must end with a line break."""
        signature = self._key_id + self.key.sign(text.encode())
        return f"{text}\n\N{EM DASH} {self.name} {_base64(signature)}\n"

    def checkpoint(self, size: int, root: bytes, at: str) -> str:
        return self.note(f"{self.name}\n{size}\n{_base64(root)}\nat {at}\n")


def signer() -> Signer | None:
    """Return the portal's signer, or None if no signing key is set."""
    seed: bytes = settings.PORTAL_AUDIT_SIGNING_KEY
    return Signer(settings.PORTAL_AUDIT_ORIGIN, Ed25519PrivateKey.from_private_bytes(seed)) if seed else None


def vkeys() -> list[str]:
    """Return the portal's current public key, if it has one, and its former ones."""
    current = signer()
    return [*([current.vkey] if current else []), *settings.PORTAL_AUDIT_FORMER_VKEYS]


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
