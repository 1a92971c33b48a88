"""Store the exceptions from the policy."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from keys.models.api_key import ApiKey
from keys.models.user import User
from keys.rules.policy.document import Name

MOST_DAYS = 90


class PolicyException(models.Model):
    """A person accepts that ``key`` does not meet ``rule``, for so many ``days`` and no longer.

    Another person, who does not own the key, must grant it. ``ends_at``: when it ends, or ended early.
    ``verdict``: the reason of the person who declined or ended it.
    """

    class State(models.TextChoices):
        ASKED = "asked", "Waits for a decision"
        GRANTED = "granted", "Granted"
        DECLINED = "declined", "Declined"
        WITHDRAWN = "withdrawn", "Withdrawn"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    key = models.ForeignKey(
        ApiKey, on_delete=models.CASCADE, related_name="policy_exceptions", db_index=False
    )
    rule = models.CharField(max_length=20)
    reason = models.CharField(max_length=300)
    days = models.PositiveSmallIntegerField()
    asked_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", db_index=False)
    asked_at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.ASKED)
    decided_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    decided_at = models.DateTimeField(null=True)
    verdict = models.CharField(max_length=300, blank=True)
    ends_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                name="exception_rule_is_known",
                condition=Q(rule__in=[name.value for name in Name if not name.is_for_requests]),
            ),
            models.CheckConstraint(
                name="exception_state_is_known",
                condition=Q(state__in=["asked", "granted", "declined", "withdrawn"]),
            ),
            models.CheckConstraint(name="exception_ends", condition=Q(days__gte=1, days__lte=MOST_DAYS)),
            models.CheckConstraint(
                name="exception_granted_by_another",
                condition=~Q(state="granted")
                | (Q(decided_by__isnull=False, ends_at__isnull=False) & ~Q(decided_by=F("asked_by"))),
            ),
            models.UniqueConstraint(
                fields=["key", "rule"], name="exception_asked_once", condition=Q(state="asked")
            ),
        ]
        indexes = (
            models.Index("state", "asked_at", name="exception_by_state"),
            models.Index("key", "rule", name="exception_by_key"),
        )

    def __str__(self) -> str:
        return f"{self.key_id}: {self.rule}"

    @property
    def rule_label(self) -> str:
        return Name(self.rule).label

    @property
    def is_in_force(self) -> bool:
        return self.state == self.State.GRANTED and self.ends_at is not None and self.ends_at > timezone.now()

    @classmethod
    def in_force(cls, now: datetime) -> models.QuerySet[PolicyException]:
        return cls.objects.filter(state=cls.State.GRANTED, ends_at__gt=now)
