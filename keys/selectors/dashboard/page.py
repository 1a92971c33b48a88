"""Return the dashboard: a verdict, the things to do, the portal's health, and charts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse
from django.utils import timezone

from keys.audit.guard import authorize
from keys.models import User
from keys.rules.permissions import Action, Actor
from keys.selectors.activity.acts import Shown
from keys.selectors.activity.table import newest_activity
from keys.selectors.counts import count_label
from keys.selectors.dashboard.charts import Charts, charts
from keys.selectors.dashboard.figures import counted_figures
from keys.selectors.dashboard.to_do import Line, count_keys, lines
from keys.selectors.factors.people import owners_with_a_password_alone
from keys.selectors.health.audit_log import AuditHealth
from keys.selectors.health.health_lines import HealthLine, health_lines
from keys.selectors.inventory.filters import default_sort, with_status

NEWEST_EVENTS = 5


@dataclass(frozen=True)
class Verdict:
    """The overall state of the portal. ``tone`` is success, warning or danger.

    ``first`` is the first thing to do, if nothing is broken.
    """

    tone: str
    headline: str
    words: str
    first: Line | None = None


@dataclass(frozen=True)
class StatusFigure:
    label: str
    count: str
    url: str


@dataclass(frozen=True)
class Dashboard:
    """``clear`` are the lines with a count of 0. ``is_empty``: there are neither keys nor things to do.

    ``charts`` and ``as_of`` are None until the figures have been counted, also if they were counted when
    there were no keys yet.
    """

    verdict: Verdict
    to_do: list[Line]
    to_know: list[Line]
    clear: list[Line]
    health_lines: list[HealthLine]
    by_status: list[StatusFigure]
    is_empty: bool
    charts: Charts | None
    as_of: datetime | None
    newest: list[Shown]
    owners_with_a_password_alone: list[User]


def dashboard_page(actor: Actor, audit: AuditHealth) -> Dashboard:
    """Raise ``NotAllowed``."""
    authorize(actor, Action.SEE_INVENTORY)
    now = timezone.now()
    found = lines(now)
    to_do = [line for line in found if line.is_to_do]
    health = health_lines(now, audit)
    counts = {status: _with_status(status, now) for status in ("active", "pending", "expired", "removed")}
    counted = counted_figures()
    if counted and counts["active"] and not counted.figures["active"]:
        counted = None
    return Dashboard(
        verdict=_verdict(to_do, health),
        to_do=to_do,
        to_know=[line for line in found if line.count and not line.is_to_do],
        clear=[line for line in found if not line.count],
        health_lines=health,
        by_status=[
            StatusFigure(
                status.capitalize(), count_label(count), reverse("keys:inventory", query={"status": status})
            )
            for status, count in counts.items()
        ],
        is_empty=not any(counts.values()) and not to_do,
        charts=charts(counted) if counted else None,
        as_of=counted.as_of if counted else None,
        newest=newest_activity(actor, NEWEST_EVENTS),
        owners_with_a_password_alone=owners_with_a_password_alone(),
    )


def _with_status(status: str, now: datetime) -> int:
    return count_keys(with_status(status, now), default_sort(status=status))


def _verdict(to_do: list[Line], health: list[HealthLine]) -> Verdict:
    things = f"{len(to_do)} thing{'' if len(to_do) == 1 else 's'} to do"
    broken = [line.name for line in health if line.tone == "danger"]
    if broken:
        more = f" There {'is' if len(to_do) == 1 else 'are'} also {things}." if to_do else ""
        return Verdict("danger", "Something is broken", f"Fix this first: {', '.join(broken)}.{more}")
    if to_do:
        return Verdict("warning", things, "Nothing is broken. Start with", to_do[0])
    return Verdict("success", "All is well", "Nothing is broken, and there is nothing to do.")
