"""Store the results of verifying the audit log."""

from __future__ import annotations

from django.db import models


class Verification(models.Model):
    """A verification of the whole audit log, requested on the page or started by the portal.

    ``damage`` lists the first occurrence of each kind: {"kind", "meaning", "where", "words", "times"}.
    ``seal``: the MAC of the result (keys.audit.results).
    ``failure``: why the verification stopped, as a sentence. ``size`` and ``signed_at`` are those of the
    newest checkpoint. ``unchecked``: the number of events whose MAC key was gone before they were signed.
    ``uncompared``: the number of rows that were compared only in part (keys.evidence.row_check).
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
    unchecked = models.BigIntegerField(default=0)
    uncompared = models.BigIntegerField(default=0)
    damage = models.JSONField(default=list)
    failure = models.CharField(max_length=500, blank=True)
    seal = models.CharField(max_length=64, blank=True)

    def __str__(self) -> str:
        return f"{self.asked_at:%Y-%m-%d %H:%M:%S}"
