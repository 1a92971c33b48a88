"""The dashboard's numbers: bounded counts, so that they cost the same at any size."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone

from keys.audit.guard import authorize
from keys.lifecycle import Phase, State
from keys.models import ApiKey
from keys.policy import Action, Actor
from keys.selectors.activity import EventRow, newest_activity

COUNTED_UP_TO = 1000
NEWEST_EVENTS = 10


@dataclass(frozen=True)
class Figure:
    """``query`` is the inventory's query string that lists what was counted."""

    label: str
    count: str
    query: str
    tone: str = ""


@dataclass(frozen=True)
class Dashboard:
    by_status: list[Figure]
    to_do: list[Figure]
    newest: list[EventRow]


def dashboard(actor: Actor) -> Dashboard:
    """Raises ``NotAllowed``."""
    authorize(actor, Action.SEE_INVENTORY)
    now = timezone.now()
    active = Q(phase=Phase.LIVE, expires_at__gt=now)

    def expiring(days: int) -> Q:
        return Q(phase=Phase.LIVE, expires_at__gt=now, expires_at__lte=now + timedelta(days=days))

    return Dashboard(
        by_status=[
            _figure("Active", active, "status=active", "success"),
            _figure("Pending", Q(phase=Phase.PENDING), "status=pending"),
            _figure("Expired", Q(phase=Phase.LIVE, expires_at__lte=now), "status=expired"),
            _figure("Removed", Q(phase=Phase.REMOVED), "status=removed"),
        ],
        to_do=[
            _figure("Expiring in 7 days", expiring(7), "expires=7", "danger"),
            _figure("Expiring in 30 days", expiring(30), "expires=30", "warning"),
            _figure("Active, never used", active & Q(last_used_at__isnull=True), "status=never-used"),
            _figure(
                "Storage unconfirmed",
                Q(state__in=[State.READY, State.CLAIMED]),
                "status=unconfirmed",
                "warning",
            ),
        ],
        newest=newest_activity(actor, NEWEST_EVENTS),
    )


def _figure(label: str, which: Q, query: str, tone: str = "") -> Figure:
    count = _bounded_count(ApiKey.objects.filter(which))
    shown = f"{count:,}" if count <= COUNTED_UP_TO else f"{COUNTED_UP_TO:,}+"
    return Figure(label, shown, query, tone if count else "")


def _bounded_count(keys: QuerySet[ApiKey]) -> int:
    return keys.order_by()[: COUNTED_UP_TO + 1].count()
