"""The record of what happened."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class AuditEvent(models.Model):
    """One thing that happened, or was refused. Rows are only ever added: triggers refuse the rest.

    People and keys are copied in as they were, not referenced: the record outlives both.
    """

    class Outcome(models.TextChoices):
        DONE = "done"
        REFUSED = "refused"
        FAILED = "failed"

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    type = models.CharField(max_length=40)
    outcome = models.CharField(max_length=8, choices=Outcome.choices)
    actor_id = models.BigIntegerField(null=True)
    actor_name = models.CharField(max_length=200, blank=True)
    actor_email = models.CharField(max_length=254, blank=True)
    actor_role = models.CharField(max_length=20, blank=True)
    key_id = models.UUIDField(null=True)
    key_name = models.CharField(max_length=100, blank=True)
    ip = models.CharField(max_length=45, blank=True)
    browser = models.CharField(max_length=200, blank=True)
    reason = models.CharField(max_length=500, blank=True)
    details = models.JSONField(default=dict)

    class Meta:
        constraints = (
            models.CheckConstraint(
                name="event_outcome_is_known", condition=Q(outcome__in=["done", "refused", "failed"])
            ),
        )
        indexes = (
            models.Index("at", "id", name="event_by_time"),
            models.Index("key_id", "at", "id", name="event_by_key"),
            models.Index("type", "at", "id", name="event_by_type"),
            models.Index("actor_email", "at", "id", name="event_by_actor"),
            models.Index("outcome", "at", "id", name="event_by_outcome"),
            models.Index("ip", "at", "id", name="event_by_ip"),
        )

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.type}"
