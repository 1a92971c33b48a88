"""Return whether a worker runs, and which of its jobs are late."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from django.db.models.functions import Now
from django.utils import timezone

from keys.audit.anchors import configured_anchors
from keys.models import AuditEvent, Node, PeriodicJob
from keys.siem.stream import configured_targets

LATE_AFTER_PERIODS = 3
CLOCKS_DIFFER_BY = timedelta(minutes=5)
SEEN_WITHIN = timedelta(seconds=30)
"""A running worker writes a heartbeat every second."""
STARTS_WITHIN = timedelta(minutes=2)
"""How long a worker that was away may need for the jobs that waited."""
INSTALLED_WITHIN = timedelta(minutes=15)
"""How long after the first event somebody may still be setting up the portal, without a worker."""
LONGEST_WAIT = timedelta(hours=1)
"""How long a job may wait for its first run after a stop, even if three of its periods are longer."""

JOB_WORDS = {
    "reconcile": "Reconciles requests, views and deletions",
    "sweep": "Compares the inventory with Cerby",
    "bulk": "Continues bulk actions after an interruption",
    "verify": "Verifies the whole audit log",
    "anchor": "Copies signed checkpoints to the anchors",
    "siem": "Sends events to the SIEM",
    "deliveries": "Sends notifications by mail and to channels",
    "people": "Reads roles and departures from Cerby",
    "leavers": "Assigns tasks for the keys of people who left, and updates names of people in keys",
    "reach": "Counts what people own in Cerby",
    "findings": "Compares the keys with the policy",
    "reviews": "Freezes the keys of reviews, closes reviews, and certifies keys",
    "figures": "Counts the figures of the dashboard's charts",
    "alerts": "Records problems and mails alerts",
    "reminders": "Reminds people of their keys by mail",
    "refusals": "Records counted refusals in the audit log",
    "tidy": "Removes expired sessions and old results",
}
"""What each job of keys.jobs.schedule does."""
AWAY = "The worker is not running"


class WorkerState(enum.Enum):
    AWAY = enum.auto()
    STARTING = enum.auto()
    RUNNING = enum.auto()


def worker_state() -> WorkerState:
    """Return the state of the workers of all nodes together, by the database's clock."""
    live = Node.objects.filter(last_seen__gt=Now() - SEEN_WITHIN)
    if not live.exists():
        return WorkerState.AWAY
    settled = live.filter(back_since__lt=Now() - STARTS_WITHIN).exists()
    return WorkerState.RUNNING if settled else WorkerState.STARTING


class JobState(enum.Enum):
    ON_TIME = enum.auto()
    NOT_YET = enum.auto()
    LATE = enum.auto()


def job_rows() -> dict[str, PeriodicJob]:
    return {row.name: row for row in PeriodicJob.objects.all()}


def job_states(rows: Mapping[str, PeriodicJob], now: datetime) -> dict[str, JobState]:
    """Return the state of each job. A job is late if no run has finished for three of its periods.

    If a worker has just returned from a stop, or runs for the first time, its jobs are not late as long as
    they have waited for less than that since then.
    """
    overdue = {name for name in JOB_WORDS if not _has_run(rows.get(name), now)}
    waiting = {name for name in overdue if _has_just_begun_to_wait(rows.get(name), now)}
    if waiting and worker_state() is WorkerState.AWAY:
        waiting = set()
    of_overdue = {name: JobState.NOT_YET if name in waiting else JobState.LATE for name in overdue}
    return {name: of_overdue.get(name, JobState.ON_TIME) for name in JOB_WORDS}


def late_jobs(now: datetime) -> list[str]:
    return [name for name, state in job_states(job_rows(), now).items() if state is JobState.LATE]


def missed_jobs(
    rows: Mapping[str, PeriodicJob], states: Mapping[str, JobState], worker: WorkerState
) -> list[str]:
    """Return the names of the late jobs of which people are alerted.

    A job that is not set up has nothing to do. If no worker runs, jobs that never ran count only when the
    portal has been in use for ``INSTALLED_WITHIN``.
    """
    counts_unrun = worker is not WorkerState.AWAY or _is_in_use()
    idle = {"siem": not configured_targets(), "anchor": not configured_anchors()}
    return [
        name
        for name, state in states.items()
        if state is JobState.LATE and not idle.get(name)
        if counts_unrun or (name in rows and rows[name].finished_at)
    ]


def _is_in_use() -> bool:
    return AuditEvent.objects.filter(at__lt=timezone.now() - INSTALLED_WITHIN).exists()


def _has_run(row: PeriodicJob | None, now: datetime) -> bool:
    """Return whether a run has finished within three periods. A future time counts as none."""
    if row is None or row.finished_at is None or row.every is None:
        return False
    return -CLOCKS_DIFFER_BY <= now - row.finished_at <= row.every * LATE_AFTER_PERIODS


def _has_just_begun_to_wait(row: PeriodicJob | None, now: datetime) -> bool:
    if row is None or row.waiting_since is None or row.every is None:
        return False
    allowed = max(STARTS_WITHIN, min(row.every * LATE_AFTER_PERIODS, LONGEST_WAIT))
    return -CLOCKS_DIFFER_BY <= now - row.waiting_since <= allowed


def in_words(names: Iterable[str]) -> str:
    """Return what the jobs do, as the Health page names them."""
    late = set(names)
    return "; ".join(words for name, words in JOB_WORDS.items() if name in late)
