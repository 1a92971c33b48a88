"""Parse the periods of the inventory's filters: the last or next days, one day, or a range of days in UTC."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta

from django import forms

from keys.selectors.inventory.keyset import Window

SINCE = [
    ("", "Any time"),
    ("1", "in the last 24 hours"),
    ("7", "in the last 7 days"),
    ("30", "in the last 30 days"),
    ("90", "in the last 90 days"),
]
_BETWEEN = ".."


def days_in(text: str) -> tuple[date, date] | None:
    """Parse a day, such as 2026-11-03, or a range with both its ends, such as 2026-11-03..2026-11-09."""
    first, _, last = text.partition(_BETWEEN)
    start, end = _day(first), _day(last) if _BETWEEN in text else _day(first)
    return (start, end) if start and end and start <= end else None


def _day(text: str) -> date | None:
    """Parse a day in years that every database and time zone supports."""
    if re.fullmatch(r"2\d{3}-\d\d-\d\d", text, re.ASCII) is None:
        return None
    with suppress(ValueError):
        return date.fromisoformat(text)
    return None


def range_of(first: date, last: date) -> str:
    return f"{first.isoformat()}{_BETWEEN}{last.isoformat()}"


def window_of(days: tuple[date, date]) -> Window:
    """Return the times from the start of the first day to the end of the last one."""
    start = datetime.combine(days[0], time.min, tzinfo=UTC) - datetime.resolution
    return Window(
        start, datetime.combine(days[1], time.min, tzinfo=UTC) + timedelta(days=1) - datetime.resolution
    )


def past(text: str, now: datetime) -> Window:
    """Return the times that a value of ``SINCE``, a day or a range stands for."""
    days = days_in(text)
    return window_of(days) if days else Window(low=now - timedelta(days=int(text)))


def offer_days(field: forms.Field, given: str) -> None:
    """Let the choice ``field`` accept a day or range that a link of the dashboard gives."""
    days = days_in(given)
    if days is None:
        return
    assert isinstance(field, forms.ChoiceField)
    first, last = (f"{day.day} {day:%b %Y}" for day in days)
    words = f"on {first} (UTC)" if first == last else f"{first} to {last} (UTC)"
    field.choices = [*field.widget.choices, (given, words)]
