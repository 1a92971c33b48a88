"""Store changes of scopes whose end the portal does not know yet."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.db import models
from django.db.models import Q
from django.utils import timezone

from keys.models.api_key import ApiKey
from keys.models.user import User


class ScopeChange(models.Model):
    """A change of a key's scopes from the request to Cerby until the answer is stored.

    While ``lease`` is set and ``until`` is not over, no other change of this key starts. If Cerby's answer is
    lost, the lease ends and the row stays for a day: if Cerby shows the scopes ``after`` within that time,
    ``actor`` has changed them.
    """

    LEASE = timedelta(seconds=90)
    """Longer than the request and the reading afterwards can take."""
    KEPT = timedelta(days=1)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="scope_changes")
    actor = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", db_index=False)
    after = models.JSONField()
    lease = models.UUIDField(null=True, default=uuid.uuid4)
    until = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["key"], name="scope_change_one_at_a_time", condition=Q(lease__isnull=False)
            ),
        )

    def __str__(self) -> str:
        return f"{self.key_id}: {', '.join(self.after)}"

    @classmethod
    def end_leases(cls, key: ApiKey) -> None:
        """End the lease of a process that has died while it changed ``key``."""
        cls.objects.filter(key=key, lease__isnull=False, until__lte=timezone.now()).update(lease=None)

    @classmethod
    def is_running(cls, key: ApiKey) -> bool:
        """Return whether a process is changing the scopes of ``key``."""
        cls.end_leases(key)
        return cls.objects.filter(key=key, lease__isnull=False).exists()

    @classmethod
    def lost(cls, key: ApiKey) -> models.QuerySet[ScopeChange]:
        """Return the changes of ``key`` that Cerby may have applied without an answer, newest first."""
        recent = cls.objects.filter(key=key, lease=None, until__gt=timezone.now() - cls.KEPT)
        return recent.select_related("actor").order_by("-until")
