"""Report how the background jobs run and how many keys wait for the reconciler."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from keys.audit.guard import authorize
from keys.jobs.schedule import JOBS, Job
from keys.models import ApiKey, PeriodicJob
from keys.rules.policy import Action, Actor
from keys.selectors.counts import bounded_count
from keys.selectors.health.worker import JOB_WORDS, is_overdue


@dataclass(frozen=True)
class JobHealth:
    """A job's last run. ``late``: no run has finished for three periods."""

    name: str
    words: str
    last_run: datetime | None
    seconds: float | None
    outcome: str
    summary: str
    late: bool


@dataclass(frozen=True)
class Health:
    jobs: list[JobHealth]
    backlog: int


def jobs_health(actor: Actor) -> Health:
    authorize(actor, Action.SEE_CONFIGURATION)
    now = timezone.now()
    rows = {row.name: row for row in PeriodicJob.objects.all()}
    jobs = [_job(name, job, rows.get(name), now) for name, job in JOBS.items()]
    backlog = bounded_count(ApiKey.objects.filter(due_at__lte=now).order_by())
    return Health(jobs, backlog)


def late_jobs() -> list[str]:
    """Return the names of the jobs that are late, for /readyz."""
    now = timezone.now()
    rows = {row.name: row for row in PeriodicJob.objects.all()}
    return [name for name, job in JOBS.items() if _is_late(rows.get(name), job.every, now)]


def _job(name: str, job: Job, row: PeriodicJob | None, now: datetime) -> JobHealth:
    finished, started = (row.finished_at, row.started_at) if row else (None, None)
    seconds = (finished - started).total_seconds() if finished and started and finished >= started else None
    return JobHealth(
        name=name,
        words=_words(name),
        last_run=finished,
        seconds=seconds,
        outcome={True: "done", False: "failed", None: ""}[row.succeeded if row else None],
        summary=row.summary if row else "",
        late=_is_late(row, job.every, now),
    )


def _words(name: str) -> str:
    if name == "sweep" and settings.CERBY_ISSUE_MODE == "assisted":
        return "Looks for a restored database, but compares nothing with Cerby"
    return JOB_WORDS[name]


def _is_late(row: PeriodicJob | None, every: timedelta, now: datetime) -> bool:
    return row is None or row.finished_at is None or is_overdue(row.finished_at, every, now)
