"""Say how requests went: how long decisions took, and how many were escalated or done without approval."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from uuid import UUID

from keys.models import AccessRequest, Verdict
from keys.rules import formatting

PERIOD = timedelta(days=90)
A_WHILE = timedelta(hours=2)
MOST = 1_000
"""The newest requests of the period that are looked at."""


@dataclass(frozen=True)
class RequestFigures:
    """``median``: the time from a request to its first verdict, in words, or "" if there is none."""

    count: int
    median: str
    escalated: int
    without_approval: int

    @property
    def escalated_share(self) -> int:
        return round(100 * self.escalated / self.count) if self.count else 0

    @property
    def without_approval_share(self) -> int:
        return round(100 * self.without_approval / self.count) if self.count else 0


def request_figures(now: datetime) -> RequestFigures:
    """Return the figures of the last ``PERIOD``."""
    recent = AccessRequest.objects.filter(made_at__gt=now - PERIOD).order_by("-made_at", "-id")
    rows = list(recent.only("made_at", "escalated_at", "ticket")[:MOST])
    first: dict[UUID, datetime] = {}
    verdicts = Verdict.objects.filter(request__in=[row.pk for row in rows]).order_by("at")
    for request_id, at in verdicts.values_list("request_id", "at"):
        first.setdefault(request_id, at)
    waited = [(first[row.pk] - row.made_at).total_seconds() for row in rows if row.pk in first]
    return RequestFigures(
        count=len(rows),
        median=_words(timedelta(seconds=median(waited))) if waited else "",
        escalated=sum(row.escalated_at is not None for row in rows),
        without_approval=sum(row.is_break_glass for row in rows),
    )


def _words(waited: timedelta) -> str:
    if waited >= A_WHILE:
        return formatting.duration(waited)
    minutes = round(waited.total_seconds() / 60)
    return f"{minutes} minute{'' if minutes == 1 else 's'}"
