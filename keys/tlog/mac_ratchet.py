"""The key of the events' MACs: it moves on every 15 minutes, and what it was before cannot be computed.

``ratchet.json`` in the audit folder holds {"chain", "epoch", "key"}: the key of the epoch before the one that
is in use, from which the next follows. So the sequencer can still check what was written shortly before a
change. An epoch is a quarter of an hour since 1970, and never goes back.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from keys.tlog.state_files import locked, path_of, replace

EPOCH_SECONDS = 900
KEY = 32
FILE = "ratchet.json"
CLOCKS_DIFFER_BY = 1
"""Epochs, between machines: near the end of one."""
_NEXT = b"cerby-key-portal audit mac next"
_Stamp = tuple[int, int, str] | None


@dataclass(frozen=True)
class Mac:
    """``tag`` is 32 bytes, made with the key of ``epoch`` in the chain of keys called ``chain``."""

    tag: bytes
    chain: str
    epoch: int


@dataclass(frozen=True)
class Ratchet:
    """A chain of keys from ``epoch`` on, called by the first 8 hexadecimal digits of its first key's hash."""

    chain: str
    epoch: int
    key: bytes

    def at(self, epoch: int) -> Ratchet:
        """The same chain, later. Raises ``ValueError`` for an earlier epoch: there is no way back."""
        if epoch < self.epoch:
            raise ValueError(f"The key of epoch {epoch} has been forgotten.")
        key = self.key
        for _ in range(epoch - self.epoch):
            key = HKDF(algorithm=SHA256(), length=KEY, salt=None, info=_NEXT).derive(key)
        return Ratchet(self.chain, epoch, key)

    def mac(self, leaf: bytes) -> Mac:
        return Mac(hmac.digest(self.key, leaf, "sha256"), self.chain, self.epoch)

    def as_json(self) -> str:
        return json.dumps({"chain": self.chain, "epoch": self.epoch, "key": self.key.hex()})

    @classmethod
    def from_json(cls, text: str) -> Ratchet:
        fields: dict[str, Any] = json.loads(text)
        return cls(str(fields["chain"]), int(fields["epoch"]), bytes.fromhex(fields["key"]))

    @classmethod
    def new(cls, epoch: int) -> Ratchet:
        key = secrets.token_bytes(KEY)
        return cls(hashlib.sha256(key).hexdigest()[:8], epoch, key)


def mac(leaf: bytes) -> Mac:
    """The MAC of ``leaf`` under the key of now. Raises ``OSError`` where the file cannot be kept."""
    return _kept().current.mac(leaf)


def is_wrong(leaf: bytes, found: Mac) -> bool:
    """Whether ``found`` is not the MAC of ``leaf``. One of a key that is forgotten by now cannot be told."""
    kept = _kept()
    if found.chain != kept.current.chain or found.epoch > kept.current.epoch + CLOCKS_DIFFER_BY:
        return True
    if found.epoch < kept.previous.epoch:
        return False
    then = kept.previous if found.epoch == kept.previous.epoch else kept.current.at(found.epoch)
    return not hmac.compare_digest(then.mac(leaf).tag, found.tag)


def init() -> Ratchet | None:
    """Begin a chain, and return its first key for the auditors to keep; None where there is one already."""
    path = path_of(FILE)
    with locked(path):
        if path.exists():
            return None
        first = Ratchet.new(_epoch_now() - 1)
        replace(path, first.as_json())
        return first


@dataclass(frozen=True)
class _Kept:
    """What was read of the file: ``previous`` as it stands there, and ``current``, which follows from it."""

    previous: Ratchet
    current: Ratchet
    stamp: _Stamp


class _Memory:
    """What this process has read last. Replaced as a whole, so that threads see one state or the other."""

    kept: _Kept | None = None


def _kept() -> _Kept:
    """The file as it is. It is made where there is none, and moves on when a quarter of an hour is over."""
    path = path_of(FILE)
    kept = _Memory.kept
    if kept is None or kept.stamp != _stamp(path):
        if not path.exists():
            init()
        kept = _Memory.kept = _read(path)
    if kept.current.epoch < _epoch_now():
        kept = _Memory.kept = _advance(path)
    return kept


def _advance(path: Path) -> _Kept:
    with locked(path):
        kept = _read(path)  # another process may have been faster
        if kept.current.epoch < _epoch_now():
            replace(path, kept.current.at(_epoch_now() - 1).as_json())
            kept = _read(path)
        return kept


def _read(path: Path) -> _Kept:
    stamp = _stamp(path)
    previous = Ratchet.from_json(path.read_text())
    return _Kept(previous, previous.at(previous.epoch + 1), stamp)


def _stamp(path: Path) -> _Stamp:
    """Changes with every replacement of the file."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_ino, stat.st_mtime_ns, str(path)


def _epoch_now() -> int:
    return int(time.time()) // EPOCH_SECONDS
