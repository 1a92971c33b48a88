"""Store the schedule of the background jobs."""

from __future__ import annotations

from django.db import models


class PeriodicJob(models.Model):
    """When a background job is due next (keys.jobs.schedule advances it), and the outcome of its last run.

    ``waiting_since``: when it was enqueued first since a run finished, or None.
    """

    name = models.CharField(max_length=40, primary_key=True)
    due_at = models.DateTimeField()
    every = models.DurationField(null=True)
    waiting_since = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    succeeded = models.BooleanField(null=True)
    succeeded_at = models.DateTimeField(null=True)
    summary = models.CharField(max_length=500, blank=True)

    def __str__(self) -> str:
        return self.name
