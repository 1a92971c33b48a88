"""The results of verifying the audit log."""

from __future__ import annotations

from django.db import models


class Verification(models.Model):
    """One verification of the whole record, asked for on the page or carried out by the portal itself.

    ``damage`` lists, for each kind, where it shows first: {"kind", "meaning", "where", "words", "times"}.
    ``failure``: why it broke off, as a sentence. ``size`` and ``signed_at``: of the newest checkpoint.
    """

    id = models.BigAutoField(primary_key=True)
    asked_at = models.DateTimeField()
    asked_by = models.CharField(max_length=200)
    finished_at = models.DateTimeField(null=True)
    events = models.BigIntegerField(default=0)
    unsealed = models.BigIntegerField(default=0)
    erased = models.BigIntegerField(default=0)
    size = models.BigIntegerField(default=0)
    signed_at = models.DateTimeField(null=True)
    damage = models.JSONField(default=list)
    failure = models.CharField(max_length=500, blank=True)

    def __str__(self) -> str:
        return f"{self.asked_at:%Y-%m-%d %H:%M:%S}"
