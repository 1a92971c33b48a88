"""Sign the tree head unless it is inconsistent with the last signed checkpoint.

A file outside the database keeps the size and root of the last checkpoint, so that a database that was
rewritten or rolled back is not signed. If the file is missing, the last checkpoint in the database is used.
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
    """Sign the sealed events. Return None if there is no signing key, no new event, or a reason to refuse.

    The reason is stored as the head's ``refusal`` and logged.
    """
    key = signer()
    if key is None:
        return None
    with locked(path_of(FILE)):
        head, last = tree_store.head(), Checkpoint.objects.order_by("-size").first()
        refusal = _refusal(head, *_last_signed_or_stored(last))
        _note_refusal(head, refusal)
        if refusal or head.size == (last.size if last else 0):
            return None
        # If the clock was set back, the new checkpoint must not look older than the last one.
        at = max(timezone.now(), last.at) if last else timezone.now()
        root = bytes(head.root)
        replace(path_of(FILE), json.dumps({"size": head.size, "root": root.hex()}))
        return Checkpoint.objects.create(
            size=head.size, root=root, at=at, note=key.checkpoint(head.size, root, utc_microseconds(at))
        )


def last_signed() -> tuple[int, bytes] | None:
    """Return the size and root of this machine's last checkpoint from the file, or None."""
    path = path_of(FILE)
    if not path.exists():
        return None
    fields = json.loads(path.read_text())
    return int(fields["size"]), bytes.fromhex(fields["root"])


def _last_signed_or_stored(last: Checkpoint | None) -> tuple[int, bytes]:
    return last_signed() or ((last.size, bytes(last.root)) if last else (0, EMPTY))


def _refusal(head: TreeHead, size: int, root: bytes) -> str:
    if head.size < size:
        return (
            f"The log has {head.size:,} sealed events, but {size:,} were signed before: events were deleted, "
            "or an older state of the database was restored."
        )
    try:
        if tree_store.tree(size).root() != root:
            return f"The first {size:,} events are not the events that were signed before."
        if tree_store.tree(head.size).root() != bytes(head.root):
            return "The root of the tree is not the root in its head."
    except Damaged as damage:
        return f"The tree is damaged. {damage}"
    return ""


def _note_refusal(head: TreeHead, refusal: str) -> None:
    if refusal:
        logger.error("audit_signing_refused", count=head.size)
    if refusal != head.refusal:
        TreeHead.objects.get_or_create(pk=1, defaults={"root": EMPTY})
        TreeHead.objects.update(refusal=refusal)
