"""List the time zones that a person can choose, by their region.

A zone can have several names, such as Asia/Kolkata and Asia/Calcutta. The list has the one in zone.tab of the
time zone database, and the others mean the same.
"""

from __future__ import annotations

import importlib.resources
import zoneinfo
from collections.abc import Iterable
from datetime import tzinfo
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Protocol

from django.utils import timezone

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
    """Return UTC and the names of places, each place once, in order."""
    known = zoneinfo.available_timezones()
    rows = (line.split("\t") for line in _lines("zone.tab") if not line.startswith("#"))
    listed = {row[2] for row in rows if len(row) > 2} & known  # noqa: PLR2004 - country, coordinates, name
    places = (name for name in listed or known - _aliases().keys() if name.partition("/")[0] in _REGIONS)
    return ("UTC", *sorted(name for name in places if "/" in name))


@cache
def _aliases() -> dict[str, str]:
    """Return the other names of zones, each with the zone's present name."""
    rows = (line.split() for line in _lines("tzdata.zi") if line.startswith("L "))
    return {alias: name for _, name, alias in rows}


def _lines(name: str) -> list[str]:
    """Return the lines of a file of the time zone database, or none if it is not installed."""
    for folder in zoneinfo.TZPATH:
        path = Path(folder, name)
        if path.is_file():
            return path.read_text(encoding="utf-8").splitlines()
    try:
        return importlib.resources.files("tzdata.zoneinfo").joinpath(name).read_text("utf-8").splitlines()
    except (ModuleNotFoundError, FileNotFoundError):
        return []


def by_region() -> list[tuple[str, list[tuple[str, str]]]]:
    """Return pairs of a name and its words for each region: ``America/New_York`` is New York."""
    return [
        (region, [(name, name.partition("/")[2].replace("_", " ") or name) for name in names])
        for region, names in groupby(zones(), key=lambda name: name.partition("/")[0])
    ]


def known_zone(name: str) -> zoneinfo.ZoneInfo | None:
    """Return the time zone ``name``, under its present name, or None. A browser may send ``Etc/Unknown``."""
    if name not in zones():
        name = _aliases().get(name, name)
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return None


class _HasZone(Protocol):
    time_zone: str


def zone_of(people: Iterable[_HasZone]) -> tzinfo:
    """Return the time zone for a mail to ``people``: the one that all of them chose on Your account.

    If they chose different ones, or one of them none, that is the zone of the organisation.
    """
    chosen = {one.time_zone for one in people}
    zone = known_zone(chosen.pop()) if len(chosen) == 1 and "" not in chosen else None
    return zone or timezone.get_default_timezone()
