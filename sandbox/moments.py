"""Times: the clock, and the format in which the API writes and reads times."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

Clock = Callable[[], datetime]

_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)
_FRACTIONS = ("seconds", "milliseconds", "microseconds")  # 0, 3 and 6 digits
_OFFSETS = ("+00:00", "")
_FORMS = [(fraction, offset) for fraction in _FRACTIONS for offset in _OFFSETS]


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


def in_published_forms(resource: dict[str, Any]) -> dict[str, Any]:
    """Return the resource with its stamps written as in Cerby's examples.

    Those have an offset or none, and 0, 3 or 6 digits of fraction (published). The id chooses the form, so
    that it never changes. API keys keep their stamps, which are our contract.
    """
    if resource["type"] == "api_key":
        return resource
    fraction, offset = _FORMS[zlib.crc32(resource["id"].encode()) % len(_FORMS)]
    return {**resource, "attributes": _rewritten(resource["attributes"], fraction, offset)}


def _rewritten(value: Any, fraction: str, offset: str) -> Any:
    if isinstance(value, dict):
        return {name: _rewritten(part, fraction, offset) for name, part in value.items()}
    if isinstance(value, str) and _STAMP.fullmatch(value):
        return datetime.fromisoformat(value).replace(tzinfo=None).isoformat(timespec=fraction) + offset
    return value


def read_stamp(text: str, *, needs_offset: bool = True) -> str:
    """Return the stamp of a caller's ISO 8601 time. Raises ValueError for other texts.

    Without ``needs_offset``, a time without an offset is UTC.
    """
    try:
        moment = datetime.fromisoformat(text)
        if not needs_offset and moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return stamp(moment)
    except OverflowError as error:
        raise ValueError("The time is out of range.") from error
