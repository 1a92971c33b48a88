"""Define how often each job runs, and enqueue each job once per period with a conditional UPDATE."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Max, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from keys.jobs import tasks
from keys.models import PeriodicJob

CLOCKS_DIFFER_BY = timedelta(minutes=5)
LONG_STOP = timedelta(minutes=10)
"""If no worker has enqueued a job for so long, all were stopped, and did not just end and start again."""


@dataclass(frozen=True)
class Job:
    """A background job, which ``JOB_WORDS`` in keys.selectors.health.worker describes."""

    task: Any
    every: timedelta


JOBS: dict[str, Job] = {
    "reconcile": Job(tasks.reconcile, timedelta(seconds=30)),
    "sweep": Job(tasks.sweep, timedelta(minutes=15)),
    "bulk": Job(tasks.bulk, timedelta(seconds=15)),
    "verify": Job(tasks.verify, timedelta(days=1)),
    "anchor": Job(tasks.anchor, timedelta(minutes=1)),
    "siem": Job(tasks.siem, timedelta(seconds=10)),
    "deliveries": Job(tasks.deliveries, timedelta(seconds=5)),
    "people": Job(tasks.people, timedelta(minutes=15)),
    "leavers": Job(tasks.leavers, timedelta(minutes=1)),
    "reach": Job(tasks.reach, timedelta(minutes=5)),
    "findings": Job(tasks.findings, timedelta(hours=1)),
    "reviews": Job(tasks.reviews, timedelta(minutes=1)),
    "figures": Job(tasks.figures, timedelta(minutes=1)),
    "alerts": Job(tasks.alerts, timedelta(minutes=1)),
    "reminders": Job(tasks.reminders, timedelta(hours=1)),
    "refusals": Job(tasks.count_refusals, timedelta(minutes=1)),
    "tidy": Job(tasks.tidy, timedelta(hours=1)),
}


def make_rows() -> None:
    """Create a row for each job that has none, due at once.

    After a long stop, forget since when the jobs wait, because nothing could do them.
    """
    now = timezone.now()
    newest = PeriodicJob.objects.aggregate(at=Max(F("due_at") - F("every")))["at"]
    if newest is not None and newest < now - LONG_STOP:
        PeriodicJob.objects.update(waiting_since=None)
    rows = [PeriodicJob(name=name, due_at=now, every=job.every) for name, job in JOBS.items()]
    PeriodicJob.objects.bulk_create(rows, ignore_conflicts=True)


def enqueue_due(now: datetime | None = None) -> list[str]:
    """Enqueue the jobs that are due and return their names.

    Any number of workers may call this at the same time. The worker that advances ``due_at`` enqueues the job
    in the same transaction, so that neither is lost if the worker dies.
    """
    now = now or timezone.now()
    return [name for name, job in JOBS.items() if _enqueue_if_due(name, job, now)]


def _enqueue_if_due(name: str, job: Job, now: datetime) -> bool:
    with transaction.atomic():
        # A time further away than one period was not set by the portal, or before the clock was set back.
        far = now + job.every + CLOCKS_DIFFER_BY
        due = PeriodicJob.objects.filter(Q(due_at__lte=now) | Q(due_at__gt=far), name=name)
        since = Coalesce(F("waiting_since"), now)
        claimed = due.update(due_at=now + job.every, every=job.every, waiting_since=since) == 1
        if claimed:
            job.task.enqueue()
    return claimed
