"""Judge readings of a key's last use: whether one counts, and how long the key goes unused."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

GAP_PERIOD = timedelta(days=30)


def counts(read_at: datetime | None, listed_at: datetime | None) -> bool:
    """Return whether there is a reading, and Cerby has not listed the key itself since."""
    return read_at is not None and (listed_at is None or listed_at < read_at)


class Gaps(NamedTuple):
    """The longest times between two uses, in seconds: in the period that began at ``since``, and before it.

    Two periods together cover at least the last 30 days.
    """

    since: datetime | None = None
    longest: int = 0
    before: int = 0

    @property
    def longest_known(self) -> timedelta:
        return timedelta(seconds=max(self.longest, self.before))


def gaps_after(gaps: Gaps, former: datetime | None, used_at: datetime | None) -> Gaps:
    """Return the gaps if a key that was last used at ``former`` is used again at ``used_at``."""
    if used_at is None or former is None or used_at <= former:
        return gaps
    gap = int((used_at - former).total_seconds())
    if gaps.since is None or used_at - gaps.since > GAP_PERIOD:
        return Gaps(used_at, gap, gaps.longest)
    return gaps._replace(longest=max(gaps.longest, gap))
