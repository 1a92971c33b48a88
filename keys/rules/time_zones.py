"""List the time zones that a person can choose, by their region."""

from __future__ import annotations

import zoneinfo
from functools import cache
from itertools import groupby

_REGIONS = (
    "Africa",
    "America",
    "Antarctica",
    "Arctic",
    "Asia",
    "Atlantic",
    "Australia",
    "Europe",
    "Indian",
    "Pacific",
)


@cache
def zones() -> tuple[str, ...]:
    """Return the names of places and UTC, without abbreviations such as EST, and in order."""
    places = (name for name in zoneinfo.available_timezones() if name.partition("/")[0] in _REGIONS)
    return ("UTC", *sorted(name for name in places if "/" in name))


def by_region() -> list[tuple[str, list[tuple[str, str]]]]:
    """Return pairs of a name and its words for each region: ``America/New_York`` is New York."""
    return [
        (region, [(name, name.partition("/")[2].replace("_", " ") or name) for name in names])
        for region, names in groupby(zones(), key=lambda name: name.partition("/")[0])
    ]


def known_zone(name: str) -> zoneinfo.ZoneInfo | None:
    """Return the time zone ``name``, or None. A browser may send ``Etc/Unknown``."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return None
