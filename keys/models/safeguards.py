"""Store what limits the portal at the moment: a pause that Cerby requested, and the quarantine."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from keys.models.api_key import ApiKey


class Pause(models.Model):
    """The time until which Cerby asked not to repeat a kind of request, on any node; one row per ``what``."""

    class What(models.TextChoices):
        CREATE = "create", "Generating a key"

    what = models.CharField(max_length=10, primary_key=True, choices=What.choices)
    since = models.DateTimeField()
    until = models.DateTimeField()

    class Meta:
        constraints = (
            models.CheckConstraint(name="pause_ends_after_it_began", condition=Q(until__gt=F("since"))),
        )

    def __str__(self) -> str:
        return f"{self.what} until {self.until:%H:%M:%S}"

    @classmethod
    def active_until(cls, what: What = What.CREATE) -> datetime | None:
        """Return when the pause that Cerby asked for ends, or None if there is no pause now."""
        pause = cls.objects.filter(what=what, until__gt=timezone.now()).first()
        return pause.until if pause else None


class Quarantine(models.Model):
    """The state of the quarantine (keys.actions.safeguards.quarantine), in one row.

    ``since`` is None while the portal may revoke keys on its own. ``marked_at``: when the background jobs
    last recorded that they run; in a restored database it is older than in the file beside it
    (keys.actions.safeguards.rollback_guard). ``silent_since``: when the jobs last ran, if no sweep has
    completed since then.
    """

    class Cause(models.TextChoices):
        RESTORED = "restored", "The database is older than the portal's last work"
        UNKNOWN_KEYS = "unknown", "Cerby lists keys that this portal made and the inventory does not know"
        CLOCK = "clock", "The clock jumped"
        TOO_MANY = "too_many", "More keys would be revoked than can be an accident"
        OPERATOR = "operator", "An operator asked for it"

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    since = models.DateTimeField(null=True)
    cause = models.CharField(max_length=10, blank=True, choices=Cause.choices)
    reason = models.CharField(max_length=500, blank=True)
    silent_since = models.DateTimeField(null=True)
    marked_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (
            models.CheckConstraint(name="quarantine_is_one", condition=Q(id=1)),
            models.CheckConstraint(
                name="quarantine_has_a_cause",
                condition=Q(since__isnull=True, cause="") | (Q(since__isnull=False) & ~Q(cause="")),
            ),
        )

    def __str__(self) -> str:
        return f"on since {self.since:%Y-%m-%d %H:%M}" if self.since else "off"


class HeldBack(models.Model):
    """A key that the portal would have revoked without the quarantine.

    ``approved_at``: when a person reviewed the list and ended the quarantine; the next sweep may then act.
    """

    key = models.OneToOneField(ApiKey, on_delete=models.CASCADE, primary_key=True, related_name="held_back")
    reason = models.CharField(max_length=500)
    since = models.DateTimeField()
    approved_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.key_id}: {self.reason}"
