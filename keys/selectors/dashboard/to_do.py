"""What an admin should do or know, most urgent first: counts along an index, which stop at a thousand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

from django.urls import reverse
from django.utils import timezone

from keys.models import LISTED, ApiKey, AuditEvent
from keys.rules.events import Event
from keys.selectors.counts import bounded_count, count_label
from keys.selectors.inventory.conditions import Condition, narrow
from keys.selectors.inventory.filters import NEEDS, SORTS, default_sort, expiring, needing
from keys.selectors.inventory.keyset import order_by

LATELY = timedelta(days=7)


@dataclass(frozen=True)
class Line:
    """``url`` leads to what was counted. ``tone``: danger and warning ask for something to be done."""

    count: int
    label: str
    advice: str
    url: str
    tone: str

    @property
    def shown(self) -> str:
        return count_label(self.count)

    @property
    def is_to_do(self) -> bool:
        return self.count > 0 and self.tone != "info"


def lines(now: datetime) -> list[Line]:
    """Every line, also those that count nothing."""
    return [
        _needing(
            "danger", "removal-stuck", "Cerby has not confirmed that they are gone: they may still work.", now
        ),
        _events(
            "danger",
            "Sweeps stopped",
            "More keys were to be revoked than can be an accident.",
            now,
            type=Event.SWEEP_STOPPED,
        ),
        _needing("danger", "owner-left", "These keys still act as somebody who is gone. Delete them.", now),
        _expiring("danger", 7, "What uses them stops working then. Replace them first.", now),
        _needing(
            "warning", "missing", "Cerby lists them no more. Look at them in Cerby, or delete them here.", now
        ),
        _events(
            "warning",
            "Changes in Cerby",
            "Made behind the portal's back; before and after are recorded.",
            now,
            type=Event.KEY_CHANGED,
        ),
        _needing(
            "warning", "not-adopted", "Made in Cerby's web app. Say what they are for, or delete them.", now
        ),
        _needing(
            "warning", "unconfirmed", "Viewed or waiting to be; nobody has said where they are kept.", now
        ),
        _needing(
            "warning",
            "unused-90",
            "Probably nobody would miss them. Ask their owners, then delete them.",
            now,
        ),
        _expiring("info", 30, "Plan their replacement.", now),
        _expiring("info", 90, "The calendar shows on which days.", now),
        _needing("info", "unused-45", "They count as dormant. See whether they are still needed.", now),
        _needing("info", "never-used", "Active, and not one call has been made with them.", now),
        _events(
            "info",
            "Attempts refused",
            "By role, by password, or because a view was used up.",
            now,
            outcome=AuditEvent.Outcome.REFUSED,
        ),
    ]


def _needing(tone: str, need: str, advice: str, now: datetime) -> Line:
    return _of_keys(tone, dict(NEEDS)[need], advice, needing(need, now), needs=need)


def _expiring(tone: str, days: int, advice: str, now: datetime) -> Line:
    label = f"Expiring within {days} days"
    return _of_keys(tone, label, advice, expiring(str(days), now), expires=str(days))


def _of_keys(tone: str, label: str, advice: str, which: Condition, **query: str) -> Line:
    count = count_keys(which, default_sort(**query))
    return Line(count, label, advice, reverse("keys:inventory", query=query), tone)


def count_keys(which: Condition, sort: str) -> int:
    """Counted along the walk that lists the same keys, so that it stops as soon as there are too many."""
    listed = narrow(ApiKey.objects.filter(LISTED), [which], sort, SORTS[sort.lstrip("-")])
    return bounded_count(order_by(*listed))


def _events(tone: str, label: str, advice: str, now: datetime, **which: Any) -> Line:
    """Since the start of a day in the reader's zone, as the filter of the activity has it."""
    since = (timezone.localtime(now) - LATELY).date()
    start = datetime.combine(since, time.min, tzinfo=timezone.get_current_timezone())
    count = bounded_count(AuditEvent.objects.filter(at__gte=start, **which))
    query = {name: str(value) for name, value in which.items()} | {"since": since.isoformat()}
    label = f"{label} in {LATELY.days} days"
    return Line(count, label, advice, reverse("keys:activity", query=query), tone)
