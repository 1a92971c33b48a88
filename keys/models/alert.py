"""Record alerts and reminders, so that each is mailed only once."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from keys.models.api_key import ApiKey


class Alert(models.Model):
    """A problem and the time it lasted. ``subject``, such as a key's id, distinguishes alerts of one kind.

    ``mailed_at`` and ``over_mailed_at``: when its beginning and its end were mailed. ``seal``: a MAC of all
    this (keys.audit.results), because a row that somebody inserts would keep the portal from mailing.
    """

    kind = models.CharField(max_length=20)
    subject = models.CharField(max_length=64, blank=True)
    words = models.CharField(max_length=700)
    since = models.DateTimeField()
    until = models.DateTimeField(null=True)
    mailed_at = models.DateTimeField(null=True)
    over_mailed_at = models.DateTimeField(null=True)
    seal = models.CharField(max_length=64, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["kind", "subject"], name="alert_once_while_it_lasts", condition=Q(until__isnull=True)
            ),
        )
        indexes = (models.Index("until", name="alert_by_end"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}".strip()


class Reminder(models.Model):
    """A reminder that a key's owner got, at most one for each ``kind`` (keys.jobs.reminders).

    ``seal``: a MAC of the row, as that of an alert.
    """

    key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="reminders", db_index=False)
    kind = models.CharField(max_length=10)
    sent_at = models.DateTimeField()
    seal = models.CharField(max_length=64, blank=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["key", "kind"], name="reminder_once"),)
        indexes = (models.Index("sent_at", name="reminder_by_time"),)

    def __str__(self) -> str:
        return f"{self.key_id} {self.kind}"
