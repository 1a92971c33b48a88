"""Sign the tree head unless it contradicts what a node of the portal remembers.

Each node keeps the size and root of the largest tree that it has agreed to in a file outside the database, so
that a database that was rewritten or rolled back is not signed. A size is signed only after every live node
has stored it: then the node that comes first in a restored database does not sign a shorter tree either. If
the file is missing, the last checkpoint in the database is used.
"""

from __future__ import annotations

import json

import structlog
from django.utils import timezone

from keys.audit import node, tree_store
from keys.models import Checkpoint, TreeHead
from keys.rules.formatting import utc_microseconds
from keys.tlog.checkpoint import signer
from keys.tlog.merkle import EMPTY, Damaged
from keys.tlog.state_files import locked, path_of, replace

FILE = "signed.json"

logger = structlog.get_logger(__name__)


def sign() -> Checkpoint | None:
    """Sign the sealed events that all live nodes remember.

    Return None if there is no signing key, no new event, or a reason to refuse or to wait. A reason to refuse
    is stored as the head's ``refusal`` and logged.
    """
    key = signer()
    if key is None:
        return None
    with locked(path_of(FILE)):
        head, last, memory = tree_store.head(), Checkpoint.objects.order_by("-size").first(), last_signed()
        refusal = _refusal(head, *(memory or _stored(last))) or _refusal_of_another_node()
        _note_refusal(head, refusal)
        size = min([head.size, *(other.agreed for other in node.live_others())])
        if refusal or size <= (last.size if last else 0) or not node.is_settled():
            return None
        # If the clock was set back, the new checkpoint must not look older than the last one.
        at = max(timezone.now(), last.at) if last else timezone.now()
        root = bytes(head.root) if size == head.size else tree_store.tree(size).root()
        if memory is None or size > memory[0]:
            _remember(size, root)
        return Checkpoint.objects.create(
            size=size, root=root, at=at, note=key.checkpoint(size, root, utc_microseconds(at))
        )


def agree() -> tuple[int, str]:
    """Remember the head for the node that signs. Return that size, and why this node disagrees or "".

    A node without live others remembers when it signs, which is early enough.
    """
    with locked(path_of(FILE)):
        head = tree_store.head()
        size, root = last_signed() or (0, EMPTY)
        is_asked = bool(node.live_others())
        if (head.size, bytes(head.root)) == (size, root) or not (is_asked or head.size < size):
            return size, ""
        refusal = _refusal(head, size, root)
        if refusal:
            _note_refusal(head, refusal)
            return size, refusal
        _remember(head.size, bytes(head.root))
        return head.size, ""


def last_signed() -> tuple[int, bytes] | None:
    """Return the size and root of the largest tree that this node has agreed to, from the file, or None."""
    path = path_of(FILE)
    if not path.exists():
        return None
    fields = json.loads(path.read_text())
    return int(fields["size"]), bytes.fromhex(fields["root"])


def _remember(size: int, root: bytes) -> None:
    replace(path_of(FILE), json.dumps({"size": size, "root": root.hex()}))


def _stored(last: Checkpoint | None) -> tuple[int, bytes]:
    return (last.size, bytes(last.root)) if last else (0, EMPTY)


def _refusal_of_another_node() -> str:
    """A node that is away still refuses: its row is the only trace of what it remembers."""
    other = node.others().exclude(refusal="").first()
    return f"Another node of the portal remembers a different log. {other.refusal}" if other else ""


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
