"""Store the nodes: the machines, or data folders, on which workers of this portal run."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class Node(models.Model):
    """A node, as it last described itself. Only the node itself changes its row, except for ``answer``.

    ``last_seen`` and ``back_since`` are times of the database's clock: the last heartbeat, and the first one
    after a pause. ``marked_at`` is a time of the node's own clock. The node keeps it in a file as well; in a
    restored database it is older than in the file (keys.actions.safeguards.rollback_guard).

    ``agreed`` is the size of the largest tree that the node remembers in a file, ``refusal`` the reason why
    the node does not agree with the tree in this database (keys.audit.signer). ``unchecked`` events were
    signed here although the key of their MAC was gone (keys.audit.forgeries).

    ``request`` asks another node for the MAC chain, ``answer`` contains it, encrypted (keys.audit.chain).
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    name = models.CharField(max_length=200)
    last_seen = models.DateTimeField(db_default=Now())
    back_since = models.DateTimeField(db_default=Now())
    marked_at = models.DateTimeField(null=True)
    agreed = models.BigIntegerField(default=0)
    refusal = models.CharField(max_length=500, blank=True)
    unchecked = models.BigIntegerField(default=0)
    request = models.TextField(blank=True)
    answer = models.TextField(blank=True)

    class Meta:
        constraints = (
            models.CheckConstraint(name="node_agreed_is_positive", condition=Q(agreed__gte=0)),
            models.CheckConstraint(name="node_answer_has_a_request", condition=Q(answer="") | ~Q(request="")),
        )

    def __str__(self) -> str:
        return self.name


class MacChain(models.Model):
    """The name of the MAC chain that all nodes use, in one row."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    name = models.CharField(max_length=8)
    since = models.DateTimeField()

    class Meta:
        constraints = (models.CheckConstraint(name="mac_chain_is_one_row", condition=Q(id=1)),)

    def __str__(self) -> str:
        return self.name
