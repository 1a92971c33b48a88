"""Turn numbers into the coordinates of a chart. What is drawn with them is in templates/keys/_*.html.

Across, a place is a percentage of the chart's width; down, it is in pixels. So a chart fills any width,
and its text keeps its size. All numbers are strings, as an SVG attribute wants them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple, TypedDict

DAYS_OF_A_WEEK = 7
LEVELS = 4
"""Shades of a cell, from few to many."""

CLIFF_AT_LEAST = 5
CLIFF_TIMES_USUAL = 3


class Text(NamedTuple):
    x: str
    y: str
    words: str


def percent(value: float) -> str:
    return f"{value:.2f}%"


def compact(count: int) -> str:
    """At most four characters: ``999``, ``1.2k``, ``45k``, ``1.2M``."""
    for from_, size, unit in ((999_500, 1_000_000, "M"), (1_000, 1_000, "k")):
        if count >= from_:
            scaled = count / size
            return (
                f"{scaled:.1f}".removesuffix(".0") + unit if scaled < _TWO_DIGITS else f"{scaled:.0f}{unit}"
            )
    return str(count)


_TWO_DIGITS = 9.95


def level(count: int, most: int) -> int:
    """0 for none, else 1 to ``LEVELS``; ``most`` is the largest count there is."""
    return -(-LEVELS * count // most) if count else 0


class Cell(TypedDict):
    """One day; ``words`` say how many, or nothing, and ``number`` stands in the middle.

    A dictionary, because that is where a template looks first, and there are many.
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
    """Days as cells, a column for each week and a row for each day of it, Monday first."""

    height: str
    cells: list[Cell]
    weekdays: list[Text]
    months: list[Text]


_GUTTER = 9.0  # per cent, for the names of the days
_HEADER, _ROW, _GAP = 18, 22, 3  # pixels


def calendar(counts: Mapping[date, int], first: date, days: int) -> Calendar:
    """``counts`` of the days from ``first`` on; a day that is not in it counts 0."""
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
            if (start + timedelta(days=6)).day <= DAYS_OF_A_WEEK  # it holds the first of a month
        ],
    )


def cliffs(counts: Mapping[date, int], days: int) -> list[date]:
    """The days on which so much happens at once that it may overwhelm whoever has to act, in order.

    At least five, and at least three times what an average one of all ``days`` has.
    """
    enough = max(CLIFF_AT_LEAST, CLIFF_TIMES_USUAL * sum(counts.values()) / days)
    return sorted(day for day, count in counts.items() if count >= enough)


class Column(TypedDict):
    """What is counted above the line and what below it, each with its number."""

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
    """Columns above a line, and below it. ``line`` is how far down it is."""

    height: str
    line: str
    columns: list[Column]
    labels: list[Text]


_TALLEST, _NUMBER, _LABEL = 72, 16, 20  # pixels
_LABELLED_EVERY = 3


def columns(labels: Sequence[str], above: Sequence[int], below: Sequence[int] = ()) -> Columns:
    """Side by side, in one scale for both sides. Every third is labelled, the last of them among these."""
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
    """In pixels; what is not nothing can be seen."""
    return max(2, round(_TALLEST * count / most)) if count else 0


def share(count: int, most: int) -> str:
    """How long a bar is, beside the longest."""
    return percent(100 * count / most) if most else "0%"
