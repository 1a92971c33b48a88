"""Read the dates that a web page shows, such as "Nov 30, 2026", "30/11/2026" or "2 days ago"."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            *("jan january", "feb february", "mar march", "apr april", "may", "jun june", "jul july"),
            *("aug august", "sep sept september", "oct october", "nov november", "dec december"),
        ),
        start=1,
    )
    for name in names.split()
}
_DAYS_IN = {
    "second": 0,
    "sec": 0,
    "minute": 0,
    "min": 0,
    "hour": 1,
    "day": 1,
    "week": 7,
    "month": 31,
    "year": 366,
}
LONGEST_DATE = 60
_MAY_BE_A_DATE = re.compile(r"\d|today|yesterday|now|ago|last", re.IGNORECASE)
_WEEKDAY = re.compile(r"(?:mon|tue|tues|wed|thu|thur|thurs|fri|sat|sun)[a-z]*\.?,? +", re.IGNORECASE)
_TIME = re.compile(
    r"(?:,|\bat\b|\s|(?<=\d)T)+\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?\s*(?:[ap]\.?m\.?)?"
    r"\s*(?:Z|[A-Z]{2,5}|(?:UTC|GMT)?[+-]\d{1,2}(?::?\d{2})?)?$",
    re.IGNORECASE,
)
_YEAR_FIRST = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})")
_NUMBERS = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d{2})")
_MONTH_FIRST = re.compile(
    r"([a-z]{3,9})\.?[ -](\d{1,2})(?:st|nd|rd|th)?(?:,? +|,|-|$)(\d{4})?", re.IGNORECASE
)
_DAY_FIRST = re.compile(
    r"(\d{1,2})(?:st|nd|rd|th|\.)?[ -](?:of )?([a-z]{3,9})\.?(?:,? +|,|-|$)(\d{4}|\d{2})?", re.IGNORECASE
)
_AGO = re.compile(r"(?:about |almost |over )?(\d{1,4}|an?|last) +([a-z]+?)s?(?: ago)?", re.IGNORECASE)


class DayOrder(enum.StrEnum):
    """Whether 11/12/2026 is the 11th of December or the 12th of November."""

    DAY_FIRST = "day"
    MONTH_FIRST = "month"


@dataclass(frozen=True)
class Day:
    """A day, which may be wrong by up to ``give`` days because the page only said "2 weeks ago"."""

    day: date
    give: int = 0

    def fits(self, other: date) -> bool:
        """Return whether this may be ``other``, allowing for a day between two time zones."""
        return abs((self.day - other).days) <= self.give + 1


@dataclass(frozen=True)
class EitherDay:
    """A date in numbers, read in both orders. None: impossible in that order."""

    day_first: date | None
    month_first: date | None

    def read(self, order: DayOrder | None) -> Day | None:
        found = self.month_first if order is DayOrder.MONTH_FIRST else self.day_first
        return Day(found) if found else None


def read_date(text: str, today: date) -> Day | EitherDay | None:
    """Return the date that ``text`` is as a whole, or None if it is none. ``today`` is the reader's day."""
    if len(text) > LONGEST_DATE or not _MAY_BE_A_DATE.search(text):
        return None
    bare = _TIME.sub("", _WEEKDAY.sub("", text.strip(), count=1)).strip(" ,")
    return _relative(bare.casefold(), today) or _absolute(bare, today)


def _relative(text: str, today: date) -> Day | None:
    if text in {"today", "now", "just now", "a moment ago", "moments ago"}:
        return Day(today)
    if text == "yesterday":
        return Day(today - timedelta(days=1))
    match = _AGO.fullmatch(text)
    if match is None or match[2] not in _DAYS_IN or not (text.endswith("ago") or match[1] == "last"):
        return None
    count = int(match[1]) if match[1].isdecimal() else 1
    unit = _DAYS_IN[match[2]]
    if match[2] == "hour":
        return Day(today - timedelta(days=count // 24), give=1)
    days = min(round(count * {31: 30.4, 366: 365.25}.get(unit, unit)), 36_500)
    return Day(today - timedelta(days=days), give=unit if unit > 1 else 0)


def _absolute(text: str, today: date) -> Day | EitherDay | None:
    if match := _YEAR_FIRST.fullmatch(text):
        return _day(int(match[1]), int(match[2]), int(match[3]))
    if match := _MONTH_FIRST.fullmatch(text):
        return _named(match[1], int(match[2]), match[3], today)
    if match := _DAY_FIRST.fullmatch(text):
        return _named(match[2], int(match[1]), match[3], today)
    if match := _NUMBERS.fullmatch(text):
        first, second, year = int(match[1]), int(match[3]), _full(match[4])
        day_first, month_first = _date(year, second, first), _date(year, first, second)
        if match[2] == ".":  # dots are only used in countries that write the day first
            return Day(day_first) if day_first else None
        return EitherDay(day_first, month_first) if day_first or month_first else None
    return None


def _named(month: str, day: int, year: str | None, today: date) -> Day | None:
    number = _MONTHS.get(month.casefold())
    if number is None:
        return None
    if year:
        return _day(_full(year), number, day)
    this_year = _date(today.year, number, day)
    is_ahead = this_year is None or this_year > today + timedelta(days=1)
    return _day(today.year - 1, number, day) if is_ahead else _day(today.year, number, day)


def _full(year: str) -> int:
    return int(year) + (2000 if len(year) == len("26") else 0)


def _day(year: int, month: int, day: int) -> Day | None:
    found = _date(year, month, day)
    return Day(found) if found else None


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def decide_order(dates: Iterable[EitherDay], today: date) -> DayOrder | None:
    """Return the only order in which every date is possible and none is in the future, or None.

    If both orders mean the same days, it doesn't matter which one is returned.
    """
    found = list(dates)
    latest = today + timedelta(days=1)
    day_first = all(one.day_first is not None and one.day_first <= latest for one in found)
    month_first = all(one.month_first is not None and one.month_first <= latest for one in found)
    if day_first and month_first and any(one.day_first != one.month_first for one in found):
        return None
    if day_first:
        return DayOrder.DAY_FIRST
    return DayOrder.MONTH_FIRST if month_first else None
