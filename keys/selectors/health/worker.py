"""Return whether a worker runs, and which of its jobs are late."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models.functions import Now

from keys.audit.anchors import configured_anchors
from keys.models import Node, PeriodicJob
from keys.siem.stream import configured_targets

LATE_AFTER_PERIODS = 3
CLOCKS_DIFFER_BY = timedelta(minutes=5)
SEEN_WITHIN = timedelta(seconds=30)
"""A running worker writes a heartbeat every second."""
STARTS_WITHIN = timedelta(minutes=2)
"""How long a worker that was away may need for the jobs that waited."""

JOB_WORDS = {
    "reconcile": "Reconciles requests, views and deletions",
    "sweep": "Compares the inventory with Cerby",
    "bulk": "Continues bulk actions after an interruption",
    "verify": "Verifies the whole audit log",
    "anchor": "Copies signed checkpoints to the anchors",
    "siem": "Sends events to the SIEM",
    "people": "Reads roles and departures from Cerby",
    "reach": "Counts what people own in Cerby",
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


def is_overdue(finished_at: datetime, every: timedelta, now: datetime) -> bool:
    """Return whether no run of a job has finished for three of its periods. A future time counts as none."""
    return not -CLOCKS_DIFFER_BY <= now - finished_at <= every * LATE_AFTER_PERIODS


def overdue_jobs(jobs: Iterable[PeriodicJob], now: datetime) -> list[str]:
    """Return the names of late jobs, without those that have nothing to do because they are not set up."""
    idle = {"siem": not configured_targets(), "anchor": not configured_anchors()}
    return [
        row.name
        for row in jobs
        if row.every and row.finished_at and not idle.get(row.name)
        if is_overdue(row.finished_at, row.every, now)
    ]


def in_words(names: Iterable[str]) -> str:
    """Return what the jobs do, as the Health page names them."""
    late = set(names)
    return "; ".join(words for name, words in JOB_WORDS.items() if name in late)
