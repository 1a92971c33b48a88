"""The places outside the database that the portal delivers to, and how far each delivery has come."""

from __future__ import annotations

from typing import ClassVar, Self

from django.db import models


class DeliveryTarget(models.Model):
    """One place and the state of its deliveries. keys.delivery.ledger updates it.

    ``failing_since`` is when the first delivery failed after the last success; ``failure`` is the reason, as
    a sentence. A subclass adds the column that holds the position.
    """

    name = models.CharField(max_length=10, primary_key=True)
    delivered_at = models.DateTimeField(null=True)
    failing_since = models.DateTimeField(null=True)
    failure = models.CharField(max_length=300, blank=True)

    objects: ClassVar[models.Manager[Self]] = models.Manager()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name


class BackoffTarget(DeliveryTarget):
    """A target that gets no delivery before ``retry_at``, after ``attempts`` failures in a row."""

    attempts = models.PositiveSmallIntegerField(default=0)
    retry_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True


class Anchor(DeliveryTarget):
    """A place that keeps checkpoints. ``size`` is the number of events in the newest one it has taken."""

    size = models.BigIntegerField(default=0)


class SiemTarget(BackoffTarget):
    """A SIEM. ``next_index`` is the index of the first sealed event that it has not taken."""

    next_index = models.BigIntegerField(default=0)
