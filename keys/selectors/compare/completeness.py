"""Count how many active keys people have confirmed against Cerby's web app, and since when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count, Min, Q
from django.utils import timezone

from keys.models import LISTED, ApiKey, Comparison
from keys.rules import formatting
from keys.rules.lifecycle import Phase
from keys.selectors.counts import COUNT_LIMIT

USUAL_DAYS = 30
"""The period of the count if no reminder is set."""


@dataclass(frozen=True)
class Completeness:
    """Counts of the active keys, or of the first ones if there are more than ``COUNT_LIMIT``.

    ``confirmed``: confirmed after ``since``. ``due``: neither confirmed nor created after ``since``.
    ``oldest``: the oldest last confirmation, or None.
    """

    active: int
    confirmed: int
    due: int
    since: datetime
    oldest: datetime | None

    def sentence(self, now: datetime) -> str:
        if not self.active:
            return "There is no active key to confirm against Cerby's web app."
        if self.active > COUNT_LIMIT:
            keys = f"the {COUNT_LIMIT:,} active keys that expire first"
        else:
            keys = f"{self.active:,} active key{'' if self.active == 1 else 's'}"
        count = f"{min(self.confirmed, COUNT_LIMIT):,}" if self.confirmed else "None"
        were = "was" if self.confirmed <= 1 else "were"
        since = timezone.localtime(self.since)
        text = f"{count} of {keys} {were} confirmed against Cerby's web app since {since.day} {since:%b}"
        if self.oldest is None:
            return f"{text}."
        return f"{text}; the oldest confirmation is {_age(self.oldest, now)}."


def _age(at: datetime, now: datetime) -> str:
    days = (now - at).days
    if days < 1:
        return f"from {formatting.short(at)}"
    return f"{days:,} day{'' if days == 1 else 's'} old"


def is_compared_by_hand() -> bool:
    """Return whether people compare this inventory: always in assisted mode, else if they once did."""
    return settings.CERBY_ISSUE_MODE == "assisted" or Comparison.objects.exclude(confirmed_at=None).exists()


def unseen_since(now: datetime) -> datetime:
    """Return the time after which a confirmation by hand is recent."""
    return now - timedelta(days=settings.PORTAL_COMPARE_EVERY_DAYS or USUAL_DAYS)


def completeness(now: datetime) -> Completeness:
    """Count in one query that reads at most ``COUNT_LIMIT`` + 1 rows, from an index."""
    since = unseen_since(now)
    active = ApiKey.objects.filter(LISTED, phase=Phase.LIVE, expires_at__gt=now).order_by("expires_at", "id")
    found = active[: COUNT_LIMIT + 1].aggregate(
        active=Count("pk"),
        confirmed=Count("pk", filter=Q(seen_at__gte=since)),
        due=Count("pk", filter=Q(seen_at__lt=since) | Q(seen_at=None, created_at__lt=since)),
        oldest=Min("seen_at"),
    )
    return Completeness(since=since, **found)
