"""Say how the reviewers of a campaign decided: how fast, and how many items at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Case, Count, IntegerField, Sum, Value, When

from keys.models import Campaign, ReviewItem, User
from keys.rules.reviews import TOO_FAST
from keys.tlog.leaf import ERASED

MOST_REVIEWERS = 100
_FAST = int(TOO_FAST / timedelta(milliseconds=1))


@dataclass(frozen=True)
class Figures:
    """``median``: in milliseconds, or None if no time is known. The shares are percents of ``decided``."""

    person: int
    name: str
    decided: int
    in_bulk: int
    fast: int
    median: int | None

    @property
    def median_seconds(self) -> str:
        return "Not known" if self.median is None else f"{self.median / 1000:.1f} s"

    @property
    def share_in_bulk(self) -> str:
        return _percent(self.in_bulk, self.decided)

    @property
    def share_fast(self) -> str:
        return _percent(self.fast, self.decided)


def figures_of(campaign: Campaign) -> list[Figures]:
    """Return the figures of each reviewer, those with the most decisions first."""
    decided = ReviewItem.objects.filter(campaign=campaign, decided_by__isnull=False)
    grouped = decided.values_list("decided_by").annotate(
        number=Count("pk"), bulk=_number(in_bulk=True), fast=_number(took__lt=_FAST)
    )
    rows = list(grouped.order_by("-number", "decided_by")[:MOST_REVIEWERS])
    names = dict(User.objects.filter(pk__in=[row[0] for row in rows]).values_list("pk", "name"))
    return [
        Figures(person, names.get(person) or ERASED, number, bulk, fast, _median(campaign, person))
        for person, number, bulk, fast in rows
    ]


def _number(**which: object) -> Sum:
    return Sum(Case(When(**which, then=Value(1)), default=Value(0), output_field=IntegerField()))


def _median(campaign: Campaign, person: int) -> int | None:
    """Return the lower median: verify_pack.py computes the same."""
    took = ReviewItem.objects.filter(campaign=campaign, decided_by=person, took__isnull=False)
    times = took.order_by("took").values_list("took", flat=True)
    count = times.count()
    return times[(count - 1) // 2] if count else None


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "0 %"
