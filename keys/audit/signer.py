"""Sign the tree's head, unless it contradicts what was signed before.

What was signed last stands in a file outside the database: whoever rewrites or rolls back the database
cannot have the result signed. Where the file is missing, the last checkpoint in the database counts.
"""

from __future__ import annotations

import json

import structlog
from django.utils import timezone

from keys.audit import tree_store
from keys.models import Checkpoint, TreeHead
from keys.rules.formatting import utc_microseconds
from keys.tlog.checkpoint import signer
from keys.tlog.merkle import EMPTY, Damaged
from keys.tlog.state_files import locked, path_of, replace

FILE = "signed.json"

logger = structlog.get_logger(__name__)


def sign() -> Checkpoint | None:
    """Sign what is sealed. None where nothing is new, where there is no key, or where it refuses.

    Why it refuses stands in the head's ``refusal``, and in the log.
    """
    mine = signer()
    if mine is None:
        return None
    with locked(path_of(FILE)):
        head, last = tree_store.head(), Checkpoint.objects.order_by("-size").first()
        refusal = _refusal(head, *_signed_last(last))
        _note_refusal(head, refusal)
        if refusal or head.size == (last.size if last else 0):
            return None
        # A clock that was set back does not make a later checkpoint look older.
        at = max(timezone.now(), last.at) if last else timezone.now()
        root = bytes(head.root)
        replace(path_of(FILE), json.dumps({"size": head.size, "root": root.hex()}))
        return Checkpoint.objects.create(
            size=head.size, root=root, at=at, note=mine.checkpoint(head.size, root, utc_microseconds(at))
        )


def remembered() -> tuple[int, bytes] | None:
    """Size and root of what was signed here last, by the file: no change of the database reaches it."""
    path = path_of(FILE)
    if not path.exists():
        return None
    fields = json.loads(path.read_text())
    return int(fields["size"]), bytes.fromhex(fields["root"])


def _signed_last(last: Checkpoint | None) -> tuple[int, bytes]:
    return remembered() or ((last.size, bytes(last.root)) if last else (0, EMPTY))


def _refusal(head: TreeHead, size: int, root: bytes) -> str:
    if head.size < size:
        return (
            f"The record has {head.size:,} sealed events, and {size:,} were signed before: some are gone, "
            "or an older state of the database was restored."
        )
    try:
        if tree_store.tree(size).root() != root:
            return f"The first {size:,} events are not those that were signed before."
        if tree_store.tree(head.size).root() != bytes(head.root):
            return "The tree does not have the root that its head says."
    except Damaged as damage:
        return f"The tree is damaged. {damage}"
    return ""


def _note_refusal(head: TreeHead, refusal: str) -> None:
    if refusal:
        logger.error("audit_signing_refused", count=head.size)
    if refusal != head.refusal:
        TreeHead.objects.get_or_create(pk=1, defaults={"root": EMPTY})
        TreeHead.objects.update(refusal=refusal)
