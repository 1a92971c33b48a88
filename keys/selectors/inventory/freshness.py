"""Return when the inventory was last compared with Cerby, and the result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.utils import timezone

from keys.models import PeriodicJob
from keys.selectors.compare.completeness import completeness, is_compared_by_hand
from keys.selectors.inventory.job_results import Part, parts

NOTHING_TO_COMPARE = "Cerby publishes no list of API keys, so nothing was compared"
"""The summary of a sweep in assisted mode."""


@dataclass(frozen=True)
class Freshness:
    """``is_possible``: the server lists API keys, so the portal can compare the inventory with them.

    ``compared_at``: when a comparison with Cerby last succeeded, or None.

    ``by_hand``: how many keys people have confirmed against Cerby's web app, or an empty string. ``is_due``:
    some must be confirmed again, which a filter lists.
    ``result`` is its result in parts, which link to the keys that they count. If a later one failed,
    ``problem`` says why and ``result`` is empty.
    """

    compared_at: datetime | None
    result: Sequence[Part]
    problem: str
    is_possible: bool = True
    by_hand: str = ""
    is_due: bool = False


def freshness() -> Freshness:
    by_hand, is_due = _by_hand()
    if settings.CERBY_ISSUE_MODE == "assisted":
        return Freshness(None, (), "", is_possible=False, by_hand=by_hand, is_due=is_due)
    last = PeriodicJob.objects.filter(name="sweep").exclude(summary=NOTHING_TO_COMPARE).first()
    if last is None:
        return Freshness(None, (), "", by_hand=by_hand, is_due=is_due)
    failed = last.succeeded is False
    return Freshness(
        compared_at=last.succeeded_at,
        result=() if failed else parts("sweep", last.summary),
        problem=last.summary if failed else "",
        by_hand=by_hand,
        is_due=is_due,
    )


def _by_hand() -> tuple[str, bool]:
    if not is_compared_by_hand():
        return "", False
    now = timezone.now()
    found = completeness(now)
    return found.sentence(now), bool(found.due and settings.PORTAL_COMPARE_EVERY_DAYS)
