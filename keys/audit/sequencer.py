"""Seal events: assign each the next index in the Merkle tree, without gaps or forks.

Several processes may try. A lease elects one leader, but it only avoids wasted work. The tree stays correct
because each transaction updates the tree head only if its size is still the size that was read.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import transaction
from django.utils import timezone

from keys.audit import tree_store
from keys.audit.chain import may_seal
from keys.audit.forgeries import append_notices, forged_among, note_empty_queue
from keys.models import Sealed, TreeHead, TreeNode, Unsealed
from keys.rules.errors import Conflict
from keys.rules.events import URGENT
from keys.tlog import merkle

BATCH = 512
LEASE = timedelta(seconds=10)

logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Sealing:
    """The result of one transaction. If ``urgent``, one of the events must be signed at once."""

    count: int = 0
    urgent: bool = False


def seal(leader: UUID) -> Sealing:
    """Seal at most ``BATCH`` waiting events, or none if another process leads or this node has no MAC key."""
    if not may_seal():
        return Sealing()
    if not Unsealed.objects.exists():
        note_empty_queue()
        return Sealing()
    with transaction.atomic():
        head, _ = TreeHead.objects.select_for_update().get_or_create(pk=1, defaults={"root": merkle.EMPTY})
        if not may_lead(leader, head):
            return Sealing()
        return _seal_waiting(head, leader)


def may_lead(leader: UUID, head: TreeHead) -> bool:
    """Return whether ``leader`` may take or renew the lease.

    If a lease ends after ``now + LEASE``, it was given before the clock was set back, so it does not count.
    """
    now = timezone.now()
    until = head.leader_until
    return head.leader in {None, leader} or until is None or not now < until <= now + LEASE


def _seal_waiting(head: TreeHead, leader: UUID) -> Sealing:
    columns = ("event_id", "event__leaf", "event__type")
    macs = ("event__mac", "event__mac_chain", "event__mac_epoch")
    _dequeue_sealed_events()
    queue = Unsealed.objects.filter(event__sealed__isnull=True).order_by("event_id")
    waiting = list(queue.values_list(*columns, *macs)[:BATCH])
    if not waiting:
        return Sealing()
    leaves = [merkle.leaf_hash(bytes(leaf)) for _, leaf, *_ in waiting]
    forged = forged_among(waiting, head.size, leaves)
    for row in append_notices(forged):  # sealed in this transaction, so that nobody can remove them before
        waiting.append((row.pk, row.leaf, row.type, row.mac, row.mac_chain, row.mac_epoch))
        leaves.append(merkle.leaf_hash(bytes(row.leaf)))
    growth = merkle.grow(head.size, tree_store.partial_tile_hashes(head.size), leaves)
    Sealed.objects.bulk_create(
        Sealed(index=index, event_id=event_id, leaf_hash=digest)
        for index, ((event_id, *_), digest) in enumerate(zip(waiting, leaves, strict=True), head.size)
    )
    TreeNode.objects.bulk_create(
        TreeNode(level=level, index=index, hash=digest) for level, index, digest in growth.nodes
    )
    Unsealed.objects.filter(event_id__in=[event_id for event_id, *_ in waiting]).delete()
    _advance_head(head, growth, leader, timezone.now(), list(forged))
    return Sealing(len(waiting), any(kind in URGENT for _, _, kind, *_ in waiting))


def _dequeue_sealed_events() -> None:
    """Remove sealed events from the queue. Only tampering puts them there; they must not hold up others."""
    sealed = Unsealed.objects.filter(event__sealed__isnull=False).values_list("event_id", flat=True)
    if ids := list(sealed[:BATCH]):
        logger.error("audit_event_queued_again", count=len(ids))
        Unsealed.objects.filter(event_id__in=ids).delete()


def _advance_head(
    head: TreeHead, growth: merkle.Growth, leader: UUID, now: datetime, forged: list[int]
) -> None:
    updated = TreeHead.objects.filter(size=head.size).update(
        size=growth.size,
        root=growth.root,
        leader=leader,
        leader_until=now + LEASE,
        forged=min(forged, default=None) if head.forged is None else head.forged,
        forged_times=(head.forged_times or 0) + len(forged),
    )
    if updated != 1:
        raise Conflict("Another process has sealed events at the same moment.")
