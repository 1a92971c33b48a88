"""Return how many items a key can open, with the time of the count, and by how many that has grown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from keys.models import ApiKey, Reach
from keys.rules.lifecycle import Phase
from keys.rules.reach import Counts, Items, ReachInWords, growth_in_words, in_words, lists_opened


@dataclass(frozen=True)
class ReachOfKey:
    """``counted_at`` is None if the portal has not counted yet, or Cerby never told.

    ``was_tried``: the portal has asked Cerby. ``grown``: the new items in words, or "". ``since``: the time
    of the count with which the portal compares.
    """

    words: ReachInWords
    counted_at: datetime | None
    was_tried: bool
    grown: str
    since: datetime | None


def reach_of(key: ApiKey) -> ReachOfKey | None:
    """Return the reach of a live key, or None if the key opens nothing (yet)."""
    if key.phase != Phase.LIVE:
        return None
    row = Reach.objects.filter(pk=key.owner_id).first()
    counts: Counts = row.counts() if row else {}
    grown = growth(key, row) if row and key.reach_grew_at else {}
    return ReachOfKey(
        words=in_words(key.scopes, counts, key.owner_name),
        counted_at=row.counted_at if row else None,
        was_tried=bool(row and row.tried_at),
        grown=growth_in_words(grown),
        since=key.reach_since,
    )


def growth(key: ApiKey, row: Reach) -> dict[Items, int]:
    """Return how many items the key can open that its owner did not own at ``reach_since``, without zeros."""
    if key.reach_since is None:
        return {}
    since = microseconds(key.reach_since)
    found = {items: row.grown_since(since, items) for items in lists_opened(key.scopes)}
    return {items: count for items, count in found.items() if count}


def known_counts(row: Reach) -> dict[str, int]:
    """Return the counts that Cerby told, for an event."""
    return {items.value: count for items, count in row.counts().items() if count is not None}


def microseconds(moment: datetime) -> int:
    """Return the microseconds since 1970, exactly."""
    delta = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds
