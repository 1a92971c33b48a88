"""Read the entries of the rules that have a list: pairs of scopes, names, hours and days."""

from __future__ import annotations

import re
from datetime import date, datetime, time
from fnmatch import fnmatchcase
from typing import NamedTuple
from zoneinfo import ZoneInfo

from keys.rules.policy.document import Name
from keys.rules.scopes import CATALOGUE, reach
from keys.rules.time_zones import known_zone

MOST_ENTRIES, LONGEST_ENTRY = 30, 100
LAST_YEAR = 2999
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
EXAMPLES = {
    Name.PAIRS: "read:items:secrets + write:users",
    Name.NAME: "*-prod",
    Name.EXPIRY: "Mon-Fri 09:00-17:00 Europe/Berlin",
    Name.FREEZE: "2026-12-20 to 2027-01-02",
}
_PATTERN = re.compile(r"[A-Za-z0-9 ._:*?-]+")
_HOURS = re.compile(r"(\w{3})-(\w{3}) (\d\d:\d\d)-(\d\d:\d\d) (\S+)")
_PERIOD = re.compile(r"(\d{4}-\d\d-\d\d) to (\d{4}-\d\d-\d\d)")


class Hours(NamedTuple):
    """From ``first`` to ``last`` day of the week (Monday is 0), between two times of the day."""

    first: int
    last: int
    start: time
    end: time
    zone: ZoneInfo


def tidy(name: Name, entry: str) -> str:
    """Return ``entry`` as the policy stores it. Raise ``ValueError`` with a sentence if it is not valid."""
    text = " ".join(entry.split())
    if len(text) > LONGEST_ENTRY:
        raise ValueError(f"An entry has at most {LONGEST_ENTRY} characters.")
    try:
        if name is Name.PAIRS:
            return " + ".join(pair(text))
        if name is Name.EXPIRY:
            hours(text)
        elif name is Name.FREEZE:
            period(text)
        elif name is Name.NAME:
            pattern(text)
    except ValueError as error:
        raise ValueError(f"“{text}” cannot be read. Write it as in: {EXAMPLES[name]}") from error
    return text


def pair(entry: str) -> tuple[str, str]:
    """Return the two scopes that no key may have together, in the order of the catalogue."""
    first, second = (part.strip() for part in entry.split("+"))
    known = list(CATALOGUE)
    if first == second or not {first, second} <= set(known):
        raise ValueError(entry)
    first, second = sorted((first, second), key=known.index)
    return first, second


def pattern(entry: str) -> str:
    if not _PATTERN.fullmatch(entry):
        raise ValueError(entry)
    return entry


def hours(entry: str) -> Hours:
    match = _HOURS.fullmatch(entry)
    zone = known_zone(match[5]) if match else None
    if match is None or zone is None:
        raise ValueError(entry)
    first, last = DAYS.index(match[1]), DAYS.index(match[2])
    start, end = time.fromisoformat(match[3]), time.fromisoformat(match[4])
    if first > last or start >= end:
        raise ValueError(entry)
    return Hours(first, last, start, end, zone)


def period(entry: str) -> tuple[date, date]:
    """Return the first and the last day."""
    match = _PERIOD.fullmatch(entry)
    if match is None:
        raise ValueError(entry)
    first, last = date.fromisoformat(match[1]), date.fromisoformat(match[2])
    if first > last or last.year > LAST_YEAR:
        raise ValueError(entry)
    return first, last


def has_pair(entry: str, scopes: tuple[str, ...]) -> bool:
    return set(pair(entry)) <= reach(scopes)


def matches(entry: str, name: str) -> bool:
    return fnmatchcase(name, entry)


def is_within(entry: str, at: datetime) -> bool:
    """Return whether ``at`` is within the hours of ``entry``, in its time zone."""
    found = hours(entry)
    local = at.astimezone(found.zone)
    return found.first <= local.weekday() <= found.last and found.start <= local.time() <= found.end


def is_frozen(entry: str, day: date) -> bool:
    first, last = period(entry)
    return first <= day <= last
