"""Points in time, as the API writes and reads them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


class ShiftedClock:
    """Another clock, ``offset`` ahead of it; a negative one is behind."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.offset = timedelta()

    def __call__(self) -> datetime:
        return self._clock() + self.offset


def stamp(moment: datetime) -> str:
    """ISO 8601 in UTC with microseconds and ``Z``; such texts sort and compare as the times do.

    Raises ValueError for a time without a time zone.
    """
    if moment.tzinfo is None:
        raise ValueError("A time needs a time zone.")
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def optional_stamp(moment: datetime | None) -> str | None:
    return None if moment is None else stamp(moment)


def read_stamp(text: str) -> str:
    """A caller's ISO 8601 time with its offset, in the form of ``stamp``.

    Raises ValueError for anything else.
    """
    try:
        return stamp(datetime.fromisoformat(text))
    except OverflowError as error:
        raise ValueError("The time is out of range.") from error
