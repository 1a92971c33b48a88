"""Which jobs run how often, and the one conditional UPDATE that makes each run once per period."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from keys.jobs import tasks
from keys.models import PeriodicJob


@dataclass(frozen=True)
class Job:
    """``words`` is what it does, as the Health page says it."""

    task: Any
    every: timedelta
    words: str


JOBS: dict[str, Job] = {
    "reconcile": Job(tasks.reconcile, timedelta(seconds=30), "Settles requests, views and deletions"),
    "sweep": Job(tasks.sweep, timedelta(minutes=15), "Compares the inventory with Cerby"),
    "verify": Job(tasks.verify, timedelta(days=1), "Verifies the whole record of what happened"),
    "anchor": Job(tasks.anchor, timedelta(minutes=1), "Takes signed checkpoints out of the database"),
    "siem": Job(tasks.siem, timedelta(seconds=10), "Sends what happened to the SIEM"),
    "people": Job(tasks.people, timedelta(hours=1), "Reads roles and who has left from Cerby"),
    "figures": Job(tasks.figures, timedelta(minutes=1), "Counts what the dashboard's charts show"),
    "alerts": Job(tasks.alerts, timedelta(minutes=1), "Notes what is wrong and mails it"),
    "reminders": Job(tasks.reminders, timedelta(hours=1), "Reminds owners of their keys by mail"),
    "tidy": Job(tasks.tidy, timedelta(hours=1), "Removes expired sessions and old results"),
}


def make_rows() -> None:
    """A row for each job, due at once; those that are there stay as they are."""
    now = timezone.now()
    rows = [PeriodicJob(name=name, due_at=now, every=job.every) for name, job in JOBS.items()]
    PeriodicJob.objects.bulk_create(rows, ignore_conflicts=True)


def enqueue_due(now: datetime | None = None) -> list[str]:
    """Enqueue the jobs whose time has come. Returns their names.

    Any number of workers may call it at the same moment: who moves ``due_at`` on enqueues, in one
    transaction, so that a worker's death loses neither the claim nor the task.
    """
    now = now or timezone.now()
    return [name for name, job in JOBS.items() if _enqueue_if_due(name, job, now)]


def _enqueue_if_due(name: str, job: Job, now: datetime) -> bool:
    with transaction.atomic():
        due = PeriodicJob.objects.filter(name=name, due_at__lte=now)
        mine = due.update(due_at=now + job.every, every=job.every) == 1
        if mine:
            job.task.enqueue()
    return mine
