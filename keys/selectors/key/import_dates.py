"""Read the dates of an import in the forms that people write, in the reader's time zone."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, time

from django.utils import timezone

from keys.rules.errors import Invalid
from keys.rules.pasted_dates import Day, DayOrder, EitherDay, read_date

_TIME = re.compile(
    r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?\s*(?:([ap])\.?m\.?)?\s*(Z|UTC|GMT)?$", re.IGNORECASE
)


def order_of(expires: Iterable[str], created: Iterable[str]) -> DayOrder | None:
    """Return the only order of day and month in which all dates are possible, or None.

    No key was created in the future. If both orders mean the same days, it doesn't matter which is returned.
    """
    today = timezone.localdate()
    numbers = [found for text in expires if isinstance(found := read_date(text, today), EitherDay)]
    past = [found for text in created if isinstance(found := read_date(text, today), EitherDay)]
    possible = [
        order
        for order in DayOrder
        if all(one.read(order) for one in numbers)
        and all((day := one.read(order)) and day.day <= today for one in past)
    ]
    same = all(one.day_first == one.month_first for one in [*numbers, *past])
    return possible[0] if len(possible) == 1 or (possible and same) else None


def moment(column: str, text: str, order: DayOrder | None, *, is_utc: bool) -> datetime:
    """Parse ``2027-01-31``, ``2027-01-31T14:05+01:00``, ``31.01.2027``, ``Jan 31, 2027 2:05 PM`` and others.

    A date alone is the start of that day. A time without a zone is in the reader's, or in UTC if ``is_utc``.
    Raise ``Invalid`` for ``column``.
    """
    if not text:
        raise Invalid(**{column: f"There is nothing under {column}. Write 2027-01-31 or 2027-01-31T14:05Z."})
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = _in_words(column, text, order)
    zone = UTC if is_utc else timezone.get_current_timezone()
    try:
        return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)
    except OverflowError:
        raise _no_time(column, text) from None


def day(column: str, text: str, order: DayOrder | None) -> date:
    """Parse the same forms as ``moment``, without a time. Raise ``Invalid`` for ``column``."""
    found = read_date(text, timezone.localdate())
    if isinstance(found, EitherDay):
        found = _day_of(column, text, found, order)
    if found is None or found.give:
        raise Invalid(**{column: f"“{text[:40]}” under {column} is not a day. Write 2027-01-31."})
    return found.day


def _in_words(column: str, text: str, order: DayOrder | None) -> datetime:
    found = read_date(text, timezone.localdate())
    if isinstance(found, EitherDay):
        found = _day_of(column, text, found, order)
    clock = _TIME.search(text)
    if not isinstance(found, Day) or found.give or (":" in text and not clock):
        raise _no_time(column, text)
    return datetime.combine(
        found.day, _clock(column, text, clock), tzinfo=UTC if clock and clock[5] else None
    )


def _day_of(column: str, text: str, found: EitherDay, order: DayOrder | None) -> Day | None:
    if order is None and found.day_first and found.month_first and found.day_first != found.month_first:
        raise Invalid(
            **{
                column: f"“{text[:40]}” under {column} may be {_spoken(found.day_first)} or "
                f"{_spoken(found.month_first)}. Write {found.day_first} or {found.month_first}."
            }
        )
    return found.read(order) or found.read(DayOrder.MONTH_FIRST)


def _spoken(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def _clock(column: str, text: str, clock: re.Match[str] | None) -> time:
    if clock is None:
        return time.min
    hour, half = int(clock[1]), (clock[4] or "").lower()
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    try:
        return time(hour, int(clock[2]), int(clock[3] or 0))
    except ValueError:
        raise _no_time(column, text) from None


def _no_time(column: str, text: str) -> Invalid:
    return Invalid(
        **{column: f"“{text[:40]}” under {column} is not a time. Write 2027-01-31 or 2027-01-31T14:05Z."}
    )
