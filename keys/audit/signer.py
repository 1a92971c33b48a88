"""Sign the tree head unless it contradicts what a node of the portal remembers.

Each node keeps the size and root of the largest tree that it has agreed to in a file outside the database, so
that a database that was rewritten or rolled back is not signed. A size is signed only after every live node
has stored it: then the node that comes first in a restored database does not sign a shorter tree either. If
the file is missing, the node starts anew with the last checkpoint in the database. Forged events hold up the
signing until a person has explained them (keys.audit.forgeries).
"""

from __future__ import annotations

import json

import structlog
from django.utils import timezone

from keys.audit import forgeries, node, notes, tree_store
from keys.audit.chain import may_seal
from keys.audit.explanations import forged_name, is_explained
from keys.models import Checkpoint, TreeHead
from keys.rules.formatting import utc_microseconds
from keys.tlog.checkpoint import signer
from keys.tlog.merkle import EMPTY, Damaged
from keys.tlog.state_files import locked, path_of, replace

FILE = "signed.json"

logger = structlog.get_logger(__name__)


def sign() -> Checkpoint | None:
    """Sign the sealed events that all live nodes remember, after checking their MACs.

    Return None if there is no signing key, no new event, or a reason to refuse or to wait. A reason to refuse
    is stored as the head's ``refusal`` and logged.
    """
    key = signer()
    if key is None:
        return None
    with locked(path_of(FILE)):
        memory = _memory()
        notes.catch_up()
        head, last = tree_store.head(), Checkpoint.objects.order_by("-size").first()
        refusal = (
            _refusal(head, *memory)
            or (forgeries.check_new(head) if may_seal() else "")
            or _forgery_refusal(tree_store.head())
            or _refusal_of_another_node()
        )
        _note_refusal(head, refusal)
        size = min([head.size, *(other.agreed for other in node.live_others())])
        is_new = size > (last.size if last else 0)
        if refusal or not is_new or not may_seal() or not node.is_settled():
            return None
        # If the clock was set back, the new checkpoint must not look older than the last one.
        at = max(timezone.now(), last.at) if last else timezone.now()
        root = bytes(head.root) if size == head.size else tree_store.tree(size).root()
        if size > memory[0]:
            _remember(size, root)
        checkpoint = Checkpoint.objects.create(
            size=size, root=root, at=at, note=key.checkpoint(size, root, utc_microseconds(at))
        )
        notes.catch_up()
        return checkpoint


def agree() -> tuple[int, str]:
    """Remember the head for the node that signs. Return that size, and why this node disagrees or "".

    A node without live others remembers when it signs, which is early enough.
    """
    with locked(path_of(FILE)):
        head = tree_store.head()
        is_asked = bool(node.live_others())
        size, root = _memory() if is_asked else last_signed() or (0, EMPTY)
        if is_asked:
            notes.catch_up()
        if (head.size, bytes(head.root)) == (size, root) or not (is_asked or head.size < size):
            return size, _forgery_refusal(head)
        refusal = _refusal(head, size, root) or forgeries.contradiction(head)
        if refusal:
            _note_refusal(head, refusal)
            return size, refusal
        _remember(head.size, bytes(head.root))
        return head.size, _forgery_refusal(head)


def last_signed() -> tuple[int, bytes] | None:
    """Return the size and root of the largest tree that this node has agreed to, from the file, or None."""
    path = path_of(FILE)
    if not path.exists():
        return None
    fields = json.loads(path.read_text())
    return int(fields["size"]), bytes.fromhex(fields["root"])


def _remember(size: int, root: bytes) -> None:
    replace(path_of(FILE), json.dumps({"size": size, "root": root.hex()}))


def _memory() -> tuple[int, bytes]:
    """Return what this node remembers. Without the file, start anew with the database's last checkpoint."""
    memory = last_signed()
    if memory is None:
        last = Checkpoint.objects.order_by("-size").first()
        memory = (last.size, bytes(last.root)) if last else (0, EMPTY)
        notes.forget()
        forgeries.start_anew()
        _remember(*memory)
    return memory


def _refusal_of_another_node() -> str:
    """A node that is away still refuses: its row is the only trace of what it remembers.

    Forged events that this node knows as well don't count, because it has just looked for an explanation.
    """
    known = forgeries.known(tree_store.head())
    explained = {"", *([_forgery_sentence(known)] if known else [])}
    other = node.others().exclude(refusal__in=explained).first()
    return f"Another node of the portal remembers a different log. {other.refusal}" if other else ""


def _forgery_refusal(head: TreeHead) -> str:
    """Return why forged events hold up the signing, until a person has explained exactly these."""
    known = forgeries.known(head)
    return "" if known is None or is_explained(forged_name(known)) else _forgery_sentence(known)


def _forgery_sentence(forged: forgeries.Forged) -> str:
    return (
        f"Event {forged.first:,} was not written by the portal, or was changed before it was sealed"
        f"{f' (found {forged.times:,} times)' if forged.times > 1 else ''}. "
        "Verify the audit log, then explain this."
    )


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
