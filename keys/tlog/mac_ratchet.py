"""Authenticate events until they are sealed, with a key that is replaced every 15 minutes.

Between writing an event and sealing it into the tree, somebody with access to the database could change it
or insert another one. So each event carries a MAC: HMAC-SHA256 of its leaf, with a key that is kept in a file
outside the database. The key is a ratchet. Time is divided into epochs of 15 minutes since 1970; HKDF derives
each epoch's key from the previous one, and the previous one is then deleted. HKDF cannot be reversed, so
somebody who steals today's key cannot forge older events. Auditors keep the first key of the chain (the
command ``audit_init`` prints it), from which they can derive every later key and check every MAC.

The file ``ratchet.json`` in the audit folder holds {"chain", "epoch", "key"}. ``key`` belongs to the epoch
*before* the current one, so that the sequencer can still check events that were written just before a change.
The epoch never goes back, even if the clock does.

All nodes use the same chain: keys.audit.chain starts it or gets it from another node.

To use the module, read ``mac``, ``is_wrong``, ``init`` and ``adopt``; ``Ratchet`` holds the cryptography.
You can skip the rest: ``_State``, ``_Cache``, ``_current_state``, ``_advance``, ``_read`` and ``_stamp`` only
keep the file and each process's copy of it up to date when several processes and threads use it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from keys.tlog.state_files import locked, path_of, replace

EPOCH_SECONDS = 900
KEY = 32
FILE = "ratchet.json"
CLOCKS_DIFFER_BY = 1
"""In epochs: near the end of an epoch, another machine may already be in the next one."""
_NEXT = b"cerby-key-portal audit mac next"
_Stamp = tuple[int, int, str] | None


@dataclass(frozen=True)
class Mac:
    """``tag`` is 32 bytes, computed with the key of ``epoch`` in the chain named ``chain``."""

    tag: bytes
    chain: str
    epoch: int


@dataclass(frozen=True)
class Ratchet:
    """A chain of keys from ``epoch`` on. Its name is the start of the first key's SHA-256: 8 hex digits."""

    chain: str
    epoch: int
    key: bytes

    def at(self, epoch: int) -> Ratchet:
        """Return this chain at a later epoch. Raise ``ValueError`` for an earlier one."""
        if epoch < self.epoch:
            raise ValueError(f"The key of epoch {epoch} has been deleted.")
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
    """Return the MAC of ``leaf`` under the current key. Raise ``OSError`` if the file is not writable."""
    return _current_state().current.mac(leaf)


def is_wrong(leaf: bytes, found: Mac) -> bool:
    """Return whether ``found`` is not the MAC of ``leaf``; False as well if its key has been deleted."""
    state = _current_state()
    if found.chain != state.current.chain or found.epoch > state.current.epoch + CLOCKS_DIFFER_BY:
        return True
    if found.epoch < state.previous.epoch:
        return False
    ratchet = state.previous if found.epoch == state.previous.epoch else state.current.at(found.epoch)
    return not hmac.compare_digest(ratchet.mac(leaf).tag, found.tag)


def has_key(chain: str, epoch: int) -> bool:
    """Return whether this node still has the key of ``epoch``, so that ``is_wrong`` can check its MACs."""
    if not exists():
        return False
    state = _current_state()
    return chain == state.current.chain and epoch >= state.previous.epoch


def had_key(epoch: int, moment: datetime) -> bool:
    """Return whether a node in this chain still had the key of ``epoch`` at ``moment``."""
    return epoch >= int(moment.timestamp()) // EPOCH_SECONDS - 1


def init(register: Callable[[str], None] | None = None) -> Ratchet | None:
    """Start a chain and return its first key for the auditors, or None if a chain exists.

    ``register`` gets the chain's name before the file is written, and may raise an error to prevent that.
    """
    path = path_of(FILE)
    with locked(path):
        if path.exists():
            return None
        first = Ratchet.new(_epoch_now() - 1)
        if register is not None:
            register(first.chain)
        replace(path, first.as_json())
        return first


def adopt(chain: Ratchet) -> None:
    """Use ``chain``, the stored state of another node, unless this node has a chain already."""
    path = path_of(FILE)
    with locked(path):
        if not path.exists():
            replace(path, chain.as_json())


def exists() -> bool:
    """Return whether this node has a chain."""
    return path_of(FILE).exists()


def stored() -> Ratchet:
    """Return the state that the file holds: the key of the epoch before the current one."""
    return _current_state().previous


@dataclass(frozen=True)
class _State:
    """The content of the file: ``previous`` is the stored key, ``current`` is derived from it."""

    previous: Ratchet
    current: Ratchet
    stamp: _Stamp


class _Cache:
    """The state that this process read last, replaced as a whole so that threads never see a mixture."""

    state: _State | None = None


def _current_state() -> _State:
    """Return the state of the file, after creating the file or advancing it to the current epoch."""
    path = path_of(FILE)
    state = _Cache.state
    if state is None or state.stamp != _stamp(path):
        if not path.exists():
            init()
        state = _Cache.state = _read(path)
    if state.current.epoch < _epoch_now():
        state = _Cache.state = _advance(path)
    return state


def _advance(path: Path) -> _State:
    with locked(path):
        state = _read(path)  # another process may have advanced it
        if state.current.epoch < _epoch_now():
            replace(path, state.current.at(_epoch_now() - 1).as_json())
            state = _read(path)
        return state


def _read(path: Path) -> _State:
    stamp = _stamp(path)
    previous = Ratchet.from_json(path.read_text())
    return _State(previous, previous.at(previous.epoch + 1), stamp)


def _stamp(path: Path) -> _Stamp:
    """Return a value that changes when the file is replaced."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_ino, stat.st_mtime_ns, str(path)


def _epoch_now() -> int:
    return int(time.time()) // EPOCH_SECONDS
