"""How far each SIEM has been told what happened."""

from __future__ import annotations

from django.db import models


class SiemTarget(models.Model):
    """``next_index`` is the number of the first sealed event that this target has not taken.

    ``failing_since``: since when it takes nothing, and ``failure`` why, as a sentence; after so many
    ``attempts`` in a row it is not asked again before ``retry_at``.
    """

    name = models.CharField(max_length=10, primary_key=True)
    next_index = models.BigIntegerField(default=0)
    delivered_at = models.DateTimeField(null=True)
    failing_since = models.DateTimeField(null=True)
    failure = models.CharField(max_length=300, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    retry_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.name
