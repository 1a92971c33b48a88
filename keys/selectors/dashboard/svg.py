"""Turn numbers into the coordinates of a chart. templates/keys/_calendar.html and _columns.html draw it.

Horizontal positions are percentages of the chart's width; vertical ones are in pixels. So a chart fills any
width while its text keeps its size. All numbers are strings, for SVG attributes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple, TypedDict

DAYS_OF_A_WEEK = 7
LEVELS = 4
"""The number of shades, from few to many."""

CLIFF_AT_LEAST = 5
CLIFF_TIMES_USUAL = 3


class Text(NamedTuple):
    x: str
    y: str
    words: str


def percent(value: float) -> str:
    return f"{value:.2f}%"


def compact(count: int) -> str:
    """Return at most four characters: ``999``, ``1.2k``, ``45k`` or ``1.2M``."""
    for from_, size, unit in ((999_500, 1_000_000, "M"), (1_000, 1_000, "k")):
        if count >= from_:
            scaled = count / size
            return (
                f"{scaled:.1f}".removesuffix(".0") + unit if scaled < _TWO_DIGITS else f"{scaled:.0f}{unit}"
            )
    return str(count)


_TWO_DIGITS = 9.95


def level(count: int, most: int) -> int:
    """Return 0 for a count of 0, else 1 to ``LEVELS``. ``most`` is the largest count."""
    return -(-LEVELS * count // most) if count else 0


class Cell(TypedDict):
    """One day. ``words`` give the day and its count, ``number`` is the text in the middle; both may be empty.

    It is a dictionary because templates look names up in dictionaries first, and there are many cells.
    """

    x: str
    y: str
    width: str
    height: str
    shade: str
    words: str
    number: str
    number_x: str
    number_y: str


@dataclass(frozen=True)
class Calendar:
    """Days as cells, with a column per week and a row per weekday, Monday first."""

    height: str
    cells: list[Cell]
    weekdays: list[Text]
    months: list[Text]


_GUTTER = 9.0  # per cent, for the names of the weekdays
_HEADER, _ROW, _GAP = 18, 22, 3  # pixels


def calendar(counts: Mapping[date, int], first: date, days: int) -> Calendar:
    """Return the calendar of ``days`` days from ``first`` on. A day that isn't in ``counts`` counts 0."""
    monday = first - timedelta(days=first.weekday())
    weeks = -(-(first.weekday() + days) // DAYS_OF_A_WEEK)
    column = (100 - _GUTTER) / weeks
    marked = set(cliffs(counts, days))
    most = max((count for day, count in counts.items() if day not in marked), default=0)
    cells = []
    for day in (first + timedelta(days=number) for number in range(days)):
        x = _GUTTER + (day - monday).days // DAYS_OF_A_WEEK * column
        y = _HEADER + day.weekday() * _ROW
        count, is_cliff = counts.get(day, 0), day in marked
        cells.append(
            Cell(
                x=percent(x),
                y=str(y),
                width=percent(column * 0.88),
                height=str(_ROW - _GAP),
                shade="cliff" if is_cliff else f"level-{level(count, most)}",
                words=f"{day:%a} {day.day} {day:%b}: {count:,}" if count else "",
                number=compact(count) if count else "",
                number_x=percent(x + column * 0.44),
                number_y=str(y + 14),
            )
        )
    starts = [monday + timedelta(weeks=week) for week in range(weeks)]
    return Calendar(
        height=str(_HEADER + DAYS_OF_A_WEEK * _ROW),
        cells=cells,
        weekdays=[
            Text("0", str(_HEADER + row * _ROW + 14), f"{monday + timedelta(days=row):%a}")
            for row in (0, 2, 4)
        ],
        months=[
            Text(percent(_GUTTER + week * column), "11", f"{start + timedelta(days=6):%b}")
            for week, start in enumerate(starts)
            if (start + timedelta(days=6)).day <= DAYS_OF_A_WEEK  # the week contains the first day of a month
        ],
    )


def cliffs(counts: Mapping[date, int], days: int) -> list[date]:
    """Return the days with so many expiries that they may be too many to handle, sorted.

    A cliff has at least five, and at least three times the average of all ``days``.
    """
    enough = max(CLIFF_AT_LEAST, CLIFF_TIMES_USUAL * sum(counts.values()) / days)
    return sorted(day for day, count in counts.items() if count >= enough)


class Column(TypedDict):
    """A bar above the line and a bar below it, each with its number."""

    x: str
    width: str
    middle: str
    above_y: str
    above_height: str
    above: str
    above_number_y: str
    below_y: str
    below_height: str
    below: str
    below_number_y: str


@dataclass(frozen=True)
class Columns:
    """``line`` is the vertical position of the line between the bars above and below it."""

    height: str
    line: str
    columns: list[Column]
    labels: list[Text]


_TALLEST, _NUMBER, _LABEL = 72, 16, 20  # pixels
_LABELLED_EVERY = 3


def columns(labels: Sequence[str], above: Sequence[int], below: Sequence[int] = ()) -> Columns:
    """Return the columns, with one scale for both sides. Every third one has a label, including the last."""
    most = max([*above, *below, 1])
    slot = 100 / len(labels)
    line = _NUMBER + _TALLEST
    bottom = line + (_length(max(below), most) + _NUMBER if below else 0)
    drawn = []
    for place, up in enumerate(above):
        down = below[place] if below else 0
        tall, deep = _length(up, most), _length(down, most)
        drawn.append(
            Column(
                x=percent((place + 0.14) * slot),
                width=percent(slot * 0.72),
                middle=percent((place + 0.5) * slot),
                above_y=str(line - tall),
                above_height=str(tall),
                above=compact(up) if up else "",
                above_number_y=str(line - tall - 4),
                below_y=str(line + 1),
                below_height=str(deep),
                below=compact(down) if down else "",
                below_number_y=str(line + deep + 12),
            )
        )
    shown = range((len(labels) - 1) % _LABELLED_EVERY, len(labels), _LABELLED_EVERY)
    return Columns(
        height=str(bottom + _LABEL),
        line=str(line),
        columns=drawn,
        labels=[Text(percent((place + 0.5) * slot), str(bottom + 14), labels[place]) for place in shown],
    )


def _length(count: int, most: int) -> int:
    """Return a bar's length in pixels, at least 2 unless the count is 0."""
    return max(2, round(_TALLEST * count / most)) if count else 0


def share(count: int, most: int) -> str:
    """Return the length of a bar relative to the longest."""
    return percent(100 * count / most) if most else "0%"
