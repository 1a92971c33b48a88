"""Times: the clock, and the format in which the API writes and reads times."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


class ShiftedClock:
    """A clock that runs ``offset`` ahead of ``clock``, or behind it if the offset is negative."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.offset = timedelta()

    def __call__(self) -> datetime:
        return self._clock() + self.offset


def stamp(moment: datetime) -> str:
    """Return the time as ISO 8601 in UTC with microseconds and ``Z``. Stamps sort as their times do.

    Raises ValueError if the time has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError("A time needs a time zone.")
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def optional_stamp(moment: datetime | None) -> str | None:
    return None if moment is None else stamp(moment)


def read_stamp(text: str) -> str:
    """Return the stamp of a caller's ISO 8601 time with its offset. Raises ValueError for other texts."""
    try:
        return stamp(datetime.fromisoformat(text))
    except OverflowError as error:
        raise ValueError("The time is out of range.") from error
