"""Count the refused attempts that have no audit event yet."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from keys.models.api_key import ApiKey
from keys.models.user import User


class RefusalCount(models.Model):
    """How many refusals of one kind wait for an event, and a description of the last one.

    keys.audit.refusals adds and removes these rows. ``name``: the row of ``Throttle`` that limits the events.
    ``seal``: the MAC of the row (keys.audit.results), because an event is made of it.
    """

    name = models.CharField(max_length=64, primary_key=True)
    waiting = models.PositiveIntegerField(default=1)
    event = models.CharField(max_length=40)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    key = models.ForeignKey(ApiKey, null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    reason = models.CharField(max_length=500, blank=True)
    ip = models.CharField(max_length=45, blank=True)
    browser = models.CharField(max_length=200, blank=True)
    details = models.JSONField(default=dict)
    seal = models.CharField(max_length=64, blank=True)

    class Meta:
        constraints = (models.CheckConstraint(name="refusal_count_waits", condition=Q(waiting__gt=0)),)

    def __str__(self) -> str:
        return f"{self.event}: {self.waiting}"
