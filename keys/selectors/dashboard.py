"""The dashboard's numbers: bounded counts, so that they cost the same at any size."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from keys.audit.guard import authorize
from keys.models import LISTED, ApiKey
from keys.policy import Action, Actor
from keys.selectors.activity import EventRow, newest_activity
from keys.selectors.conditions import Condition, narrow
from keys.selectors.inventory_filter import SORTS, default_sort, expiring, with_status
from keys.selectors.keyset import order_by

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
    return Dashboard(
        by_status=[
            _by_status("Active", "active", now, "success"),
            _by_status("Pending", "pending", now),
            _by_status("Expired", "expired", now),
            _by_status("Removed", "removed", now),
        ],
        to_do=[
            _by_expiry("Expiring in 7 days", 7, now, "danger"),
            _by_expiry("Expiring in 30 days", 30, now, "warning"),
            _by_status("Active, never used", "never-used", now),
            _by_status("Storage unconfirmed", "unconfirmed", now, "warning"),
        ],
        newest=newest_activity(actor, NEWEST_EVENTS),
    )


def _by_status(label: str, status: str, now: datetime, tone: str = "") -> Figure:
    sort = default_sort(status=status)
    return _figure(label, _bounded_count(with_status(status, now), sort), f"status={status}", tone)


def _by_expiry(label: str, days: int, now: datetime, tone: str) -> Figure:
    sort = default_sort(expires=str(days))
    return _figure(label, _bounded_count(expiring(days, now), sort), f"expires={days}", tone)


def _figure(label: str, count: int, query: str, tone: str) -> Figure:
    shown = f"{count:,}" if count <= COUNTED_UP_TO else f"{COUNTED_UP_TO:,}+"
    return Figure(label, shown, query, tone if count else "")


def _bounded_count(which: Condition, sort: str) -> int:
    """Counted along the walk that lists the same keys, so that it stops as soon as there are too many."""
    listed = narrow(ApiKey.objects.filter(LISTED), [which], sort, SORTS[sort.lstrip("-")])
    return order_by(*listed)[: COUNTED_UP_TO + 1].count()
