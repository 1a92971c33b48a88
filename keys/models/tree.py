"""Store the Merkle tree over the audit log: queue, leaves, inner nodes, head and signed checkpoints."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Length
from django.db.models.lookups import Exact

from keys.models.event import AuditEvent

HASH = 32
"""The length of a SHA-256 hash in bytes."""


class Unsealed(models.Model):
    """An event that is not in the tree yet.

    A trigger adds the row in the event's transaction. So an event that is committed late, after events with
    higher ids were sealed, is still found here. Only the sequencer removes rows.
    """

    event = models.OneToOneField(
        AuditEvent, primary_key=True, on_delete=models.DO_NOTHING, related_name="unsealed"
    )

    def __str__(self) -> str:
        return str(self.event_id)


class Sealed(models.Model):
    """Leaf number ``index``, counted from 0 without gaps. Triggers prevent changes and removal."""

    index = models.BigIntegerField(primary_key=True)
    event = models.OneToOneField(AuditEvent, on_delete=models.DO_NOTHING, related_name="sealed")
    leaf_hash = models.BinaryField(max_length=HASH)

    class Meta:
        constraints = (
            models.CheckConstraint(name="sealed_index_is_positive", condition=Q(index__gte=0)),
            models.CheckConstraint(
                name="sealed_hash_is_whole", condition=Q(Exact(Length("leaf_hash"), HASH))
            ),
        )

    def __str__(self) -> str:
        return str(self.index)


class TreeNode(models.Model):
    """The hash of a full subtree of 256**level leaves, the ``index``-th of its level. Never changed."""

    pk = models.CompositePrimaryKey("level", "index")
    level = models.PositiveSmallIntegerField()
    index = models.BigIntegerField()
    hash = models.BinaryField(max_length=HASH)

    class Meta:
        constraints = (
            models.CheckConstraint(name="node_is_above_the_leaves", condition=Q(level__gte=1, index__gte=0)),
            models.CheckConstraint(name="node_hash_is_whole", condition=Q(Exact(Length("hash"), HASH))),
        )

    def __str__(self) -> str:
        return f"{self.level}/{self.index}"


class TreeHead(models.Model):
    """The size of the tree, which never shrinks: one row, or none before the first sealing.

    ``leader`` may seal until ``leader_until``, unless it renews its lease. ``refusal``: why the signer does
    not sign, as a sentence. ``forged``: the lowest index of an event that had a wrong MAC when it was sealed;
    ``forged_times``: the number of such events.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    size = models.BigIntegerField(default=0)
    root = models.BinaryField(max_length=HASH)
    leader = models.UUIDField(null=True)
    leader_until = models.DateTimeField(null=True)
    refusal = models.CharField(max_length=500, blank=True)
    forged = models.BigIntegerField(null=True)
    forged_times = models.BigIntegerField(null=True)

    class Meta:
        constraints = (models.CheckConstraint(name="head_is_one_row", condition=Q(id=1)),)

    def __str__(self) -> str:
        return str(self.size)


class Checkpoint(models.Model):
    """A signed checkpoint: ``note`` is a C2SP signed note of ``size`` and ``root``. Never changed."""

    id = models.BigAutoField(primary_key=True)
    size = models.BigIntegerField()
    root = models.BinaryField(max_length=HASH)
    at = models.DateTimeField()
    note = models.TextField()

    class Meta:
        constraints = (
            models.UniqueConstraint(name="checkpoint_size_once", fields=["size"]),
            models.CheckConstraint(name="checkpoint_root_is_whole", condition=Q(Exact(Length("root"), HASH))),
        )

    def __str__(self) -> str:
        return str(self.size)
