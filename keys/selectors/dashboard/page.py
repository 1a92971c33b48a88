"""The dashboard: are we all right, what needs doing first, and how things stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse
from django.utils import timezone

from keys.audit.guard import authorize
from keys.rules.policy import Action, Actor
from keys.selectors.activity.table import EventRow, newest_activity
from keys.selectors.counts import count_label
from keys.selectors.dashboard.charts import Drawings, drawings
from keys.selectors.dashboard.figures import kept_figures
from keys.selectors.dashboard.to_do import Line, count_keys, lines
from keys.selectors.health.audit_log import AuditHealth
from keys.selectors.health.health_lines import HealthLine, health_lines
from keys.selectors.inventory.filters import default_sort, with_status

NEWEST_EVENTS = 5


@dataclass(frozen=True)
class Verdict:
    """The answer to "are we all right?". ``tone`` is success, warning or danger."""

    tone: str
    headline: str
    words: str


@dataclass(frozen=True)
class StatusFigure:
    label: str
    count: str
    url: str


@dataclass(frozen=True)
class Dashboard:
    """``clear`` are the lines that count nothing; ``is_empty``: there are no keys, and nothing to do.

    ``drawings`` and ``as_of`` are None until the figures have been counted.
    """

    verdict: Verdict
    to_do: list[Line]
    to_know: list[Line]
    clear: list[Line]
    health_lines: list[HealthLine]
    by_status: list[StatusFigure]
    is_empty: bool
    drawings: Drawings | None
    as_of: datetime | None
    newest: list[EventRow]


def dashboard(actor: Actor, audit: AuditHealth, late_jobs: Sequence[str]) -> Dashboard:
    """``late_jobs``: the background jobs that do not run. Raises ``NotAllowed``."""
    authorize(actor, Action.SEE_INVENTORY)
    now = timezone.now()
    found = lines(now)
    to_do = [line for line in found if line.is_to_do]
    health = health_lines(now, audit, late_jobs)
    counts = {status: _with_status(status, now) for status in ("active", "pending", "expired", "removed")}
    kept = kept_figures()
    return Dashboard(
        verdict=_verdict(to_do, health),
        to_do=to_do,
        to_know=[line for line in found if line.count and not line.is_to_do],
        clear=[line for line in found if not line.count],
        health_lines=health,
        by_status=[
            StatusFigure(
                status.capitalize(), count_label(count), f"{reverse('keys:inventory')}?status={status}"
            )
            for status, count in counts.items()
        ],
        is_empty=not any(counts.values()) and not to_do,
        drawings=drawings(kept) if kept else None,
        as_of=kept.as_of if kept else None,
        newest=newest_activity(actor, NEWEST_EVENTS),
    )


def _with_status(status: str, now: datetime) -> int:
    return count_keys(with_status(status, now), default_sort(status=status))


def _verdict(to_do: list[Line], health: list[HealthLine]) -> Verdict:
    things = f"{len(to_do)} thing{'' if len(to_do) == 1 else 's'} to do"
    broken = [sign.name for sign in health if sign.tone == "danger"]
    if broken:
        more = f" There {'is' if len(to_do) == 1 else 'are'} also {things}." if to_do else ""
        return Verdict("danger", "Something is broken", f"Look after this first: {', '.join(broken)}.{more}")
    if to_do:
        first = to_do[0]
        words = f"Nothing is broken. Begin with “{first.label}”: {first.shown}."
        return Verdict("warning", things, words)
    return Verdict("success", "All is well", "Nothing is broken, and nothing waits to be done.")
