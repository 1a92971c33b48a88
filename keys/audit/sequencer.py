"""Seal events: give each its place in the tree, without a gap, in one transaction that nobody can fork.

Any number of processes may try. One of them leads; what keeps the tree right is not that, but that the
transaction moves the head on from the very size it has read, or does nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction
from django.utils import timezone

from keys.audit import tree_store
from keys.models import Sealed, TreeHead, TreeNode, Unsealed
from keys.rules.errors import Conflict
from keys.rules.events import URGENT
from keys.tlog import mac_ratchet, merkle

BATCH = 512
LEASE = timedelta(seconds=10)

logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Sealing:
    """What one transaction sealed. ``urgent``: something is among it that is to be signed at once."""

    count: int = 0
    urgent: bool = False


def seal(leader: UUID) -> Sealing:
    """Seal at most ``BATCH`` of what waits. Nothing where nothing waits or another process leads."""
    if not Unsealed.objects.exists():
        return Sealing()
    with transaction.atomic():
        head, _ = TreeHead.objects.select_for_update().get_or_create(pk=1, defaults={"root": merkle.EMPTY})
        if not leads(leader, head):
            return Sealing()
        return _seal_waiting(head, leader)


def leads(leader: UUID, head: TreeHead) -> bool:
    """A lease that ends later than any given now was given before the clock was set back."""
    now = timezone.now()
    until = head.leader_until
    return head.leader in {None, leader} or until is None or not now < until <= now + LEASE


def _seal_waiting(head: TreeHead, leader: UUID) -> Sealing:
    columns = ("event_id", "event__leaf", "event__type")
    macs = ("event__mac", "event__mac_chain", "event__mac_epoch")
    _take_out_what_is_sealed()
    queue = Unsealed.objects.filter(event__sealed__isnull=True).order_by("event_id")
    waiting = list(queue.values_list(*columns, *macs)[:BATCH])
    if not waiting:
        return Sealing()
    leaves = [merkle.leaf_hash(bytes(leaf)) for _, leaf, *_ in waiting]
    growth = merkle.grow(head.size, tree_store.edge(head.size), leaves)
    Sealed.objects.bulk_create(
        Sealed(index=index, event_id=event_id, leaf_hash=digest)
        for index, ((event_id, *_), digest) in enumerate(zip(waiting, leaves, strict=True), head.size)
    )
    TreeNode.objects.bulk_create(
        TreeNode(level=level, index=index, hash=digest) for level, index, digest in growth.nodes
    )
    Unsealed.objects.filter(event_id__in=[event_id for event_id, *_ in waiting]).delete()
    _move_on(head, growth, leader, timezone.now(), _forged(head, waiting))
    return Sealing(len(waiting), any(kind in URGENT for _, _, kind, *_ in waiting))


def _take_out_what_is_sealed() -> None:
    """Only somebody who meddles with the queue puts an event there again; it must not hold up the others."""
    again = Unsealed.objects.filter(event__sealed__isnull=False).values_list("event_id", flat=True)
    if some := list(again[:BATCH]):
        logger.error("audit_event_queued_again", count=len(some))
        Unsealed.objects.filter(event_id__in=some).delete()


def _forged(head: TreeHead, waiting: Sequence[tuple[Any, ...]]) -> list[int]:
    """The indexes of events that were changed, or written by somebody else, before they were sealed."""
    wrong = [
        index
        for index, (_, leaf, _, tag, chain, epoch) in enumerate(waiting, head.size)
        if mac_ratchet.is_wrong(bytes(leaf), mac_ratchet.Mac(bytes(tag), chain, epoch))
    ]
    for index in wrong:
        logger.error("audit_event_forged", count=index)
    return wrong


def _move_on(head: TreeHead, growth: merkle.Growth, leader: UUID, now: datetime, forged: list[int]) -> None:
    moved = TreeHead.objects.filter(size=head.size).update(
        size=growth.size,
        root=growth.root,
        leader=leader,
        leader_until=now + LEASE,
        forged=forged[0] if forged and head.forged is None else head.forged,
        forged_times=(head.forged_times or 0) + len(forged),
    )
    if moved != 1:
        raise Conflict("Another process has sealed at the same moment.")
