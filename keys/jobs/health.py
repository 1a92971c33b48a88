"""Report how the background jobs run and how many keys wait for the reconciler."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.utils import timezone

from keys.audit.guard import authorize
from keys.jobs.schedule import JOBS
from keys.models import ApiKey, PeriodicJob
from keys.rules.permissions import Action, Actor
from keys.selectors.counts import bounded_count
from keys.selectors.health.worker import JOB_WORDS, JobState, job_rows, job_states
from keys.selectors.inventory.job_results import Part, parts


@dataclass(frozen=True)
class JobHealth:
    """A job's last run. ``not_yet``: it waits for a worker that has just started."""

    name: str
    words: str
    last_run: datetime | None
    seconds: float | None
    outcome: str
    result: list[Part]
    late: bool
    not_yet: bool


@dataclass(frozen=True)
class Health:
    jobs: list[JobHealth]
    backlog: int


def jobs_health(actor: Actor) -> Health:
    authorize(actor, Action.SEE_CONFIGURATION)
    now = timezone.now()
    rows = job_rows()
    states = job_states(rows, now)
    jobs = [_job(name, rows.get(name), states[name]) for name in JOBS]
    backlog = bounded_count(ApiKey.objects.filter(due_at__lte=now).order_by())
    return Health(jobs, backlog)


def _job(name: str, row: PeriodicJob | None, state: JobState) -> JobHealth:
    finished, started = (row.finished_at, row.started_at) if row else (None, None)
    seconds = (finished - started).total_seconds() if finished and started and finished >= started else None
    return JobHealth(
        name=name,
        words=_words(name),
        last_run=finished,
        seconds=seconds,
        outcome={True: "done", False: "failed", None: ""}[row.succeeded if row else None],
        result=parts(name, row.summary if row else ""),
        late=state is JobState.LATE,
        not_yet=state is JobState.NOT_YET,
    )


def _words(name: str) -> str:
    if name == "sweep" and settings.CERBY_ISSUE_MODE == "assisted":
        return "Looks for a restored database, but compares nothing with Cerby"
    return JOB_WORDS[name]
