"""Remember all checkpoints in a hash chain outside the database, so that a deleted one is missed.

The file ``notes.json`` of each node has the newest checkpoint's size, the number of checkpoints and the
chain, which is SHA-256 of the previous chain and the note, oldest first. Without the file, the chain starts
with the checkpoints in the database.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import structlog

from keys.models import Checkpoint
from keys.tlog import state_files
from keys.tlog.checkpoint import vkeys
from keys.verifier import verify_bundle
from keys.verifier.verify_bundle import known_keys, read_note

FILE = "notes.json"
PAGE = 1000

logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Notes:
    size: int = -1
    count: int = 0
    chain: str = ""

    def with_note(self, size: int, note: str) -> Notes:
        chain = hashlib.sha256(self.chain.encode() + note.encode()).hexdigest()
        return Notes(size, self.count + 1, chain)


def remembered() -> Notes:
    path = state_files.path_of(FILE)
    return Notes(**json.loads(path.read_text())) if path.exists() else Notes()


def forget() -> None:
    state_files.path_of(FILE).unlink(missing_ok=True)


def catch_up() -> None:
    """Add the new checkpoints in the database, also those of other nodes, to the chain."""
    before = after = remembered()
    for size, note in _stored(after.size, None):
        after = after.with_note(size, note)
    if after != before:
        state_files.replace(state_files.path_of(FILE), json.dumps(vars(after)))


def missing() -> int:
    """Return how many of the remembered checkpoints are missing in the database or differ; 1 if unknown."""
    kept, found = remembered(), Notes()
    for size, note in _stored(-1, kept.size):
        found = found.with_note(size, note)
    if found.chain == kept.chain:
        return 0
    logger.error("audit_checkpoint_missing", count=kept.count - found.count)
    return max(1, kept.count - found.count)


def newest_signed() -> verify_bundle.Checkpoint | None:
    """Return the newest checkpoint, or None if it is not signed with a key of the portal."""
    return _read(Checkpoint.objects.order_by("-size").values_list("note", flat=True).first())


def signed_at(index: int) -> datetime | None:
    """Return when the first checkpoint with the event was signed, or None."""
    covering = Checkpoint.objects.filter(size__gt=index).order_by("size")
    checkpoint = _read(covering.values_list("note", flat=True).first())
    return checkpoint.at if checkpoint and checkpoint.size > index else None


def _read(note: str | None) -> verify_bundle.Checkpoint | None:
    with suppress(ValueError):
        return read_note(note, known_keys(vkeys())) if note else None
    return None


def _stored(after: int, last: int | None) -> Iterator[tuple[int, str]]:
    while True:
        rows = Checkpoint.objects.filter(size__gt=after).order_by("size").values_list("size", "note")
        page = list((rows if last is None else rows.filter(size__lte=last))[:PAGE])
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1][0]
