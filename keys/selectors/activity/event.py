"""Return one event with its exact bytes and the proof that the signed audit log contains it."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from uuid import UUID

from keys.audit import tree_store
from keys.audit.guard import authorize
from keys.models import AuditEvent, Checkpoint, Sealed
from keys.rules.errors import NotFound
from keys.rules.permissions import Action, Actor
from keys.selectors.activity.names import with_names
from keys.selectors.activity.row import COLUMNS, EventRow, row_of
from keys.tlog.merkle import Damaged
from keys.verifier.verify_bundle import root_by_proof

NOT_SEALED = "This event is not sealed yet. That takes a second. Reload the page."
NOT_SIGNED = "This event is sealed but not signed yet. That takes a few seconds. Reload the page."
DAMAGED = "The proof is not valid, so the audit log is damaged here. Verify the audit log."


@dataclass(frozen=True)
class Proof:
    """Leaf ``index`` is in the tree of ``size`` that ``note`` signs. ``text`` is a C2SP tlog-proof."""

    index: int
    size: int
    note: str
    path: list[str]
    text: str


@dataclass(frozen=True)
class WholeEvent:
    """``leaf`` holds the exact sealed bytes as text. If there is no ``proof``, ``reason`` says why."""

    uid: UUID
    row: EventRow
    leaf: str
    erased: bool
    proof: Proof | None
    reason: str


def event_for(actor: Actor, uid: UUID) -> WholeEvent:
    """Raise ``NotAllowed`` or ``NotFound``."""
    authorize(actor, Action.SEE_ACTIVITY)
    found = AuditEvent.objects.filter(uid=uid).values_list("leaf", "salt", *COLUMNS).first()
    if found is None:
        raise NotFound("The audit log has no such event.")
    leaf, salt, *columns = found
    proof, reason = _proof(columns[0], bytes(leaf))
    text = bytes(leaf).decode("utf-8", "replace")
    [row] = with_names([row_of(tuple(columns))])
    return WholeEvent(uid, row, text, salt is None, proof, reason)


def _proof(event_id: int, leaf: bytes) -> tuple[Proof | None, str]:
    """Return a proof, checked with the code that auditors use, or the reason why there is none."""
    index = Sealed.objects.filter(event_id=event_id).values_list("index", flat=True).first()
    if index is None:
        return None, NOT_SEALED
    checkpoint = Checkpoint.objects.order_by("-size").first()
    if checkpoint is None or checkpoint.size <= index:
        return None, NOT_SIGNED
    try:
        path = tree_store.tree(checkpoint.size).inclusion_proof(index)
    except Damaged:
        return None, DAMAGED
    if root_by_proof(leaf, index, checkpoint.size, path) != bytes(checkpoint.root):
        return None, DAMAGED
    hashes = [base64.b64encode(each).decode() for each in path]
    head = ["c2sp.org/tlog-proof@v1", f"extra {base64.b64encode(leaf).decode()}", f"index {index}", *hashes]
    text = "\n".join(head) + f"\n\n{checkpoint.note}"
    return Proof(index, checkpoint.size, checkpoint.note, hashes, text), ""
