"""Read the table of API keys that a person copied from Cerby's web app and pasted as plain text.

Browsers copy a table as lines with tabs, or each cell on its own line. A cell may span several lines. Page
buttons, counts and headers are copied too, and several pages may follow one another. This module finds the
rows, and reports each other line that is not part of a page's frame.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from keys.rules.errors import Invalid
from keys.rules.pasted_cells import EMAIL, LONGEST_CELL, Record, RowStatus, clean, status_of
from keys.rules.pasted_dates import Day, DayOrder, EitherDay, decide_order
from keys.rules.pasted_rows import NO_STATUS, one_cell_per_line, tabbed

LONGEST_TEXT = 1024 * 1024
"""Characters."""
MOST_ROWS = 5_000
MOST_LINES = 75_000
MOST_UNREADABLE = 200
"""Lines that are reported one by one; the others are only counted."""
_TOTAL = re.compile(r"\d[\d,.]* ?(?:[-\u2013\u2014]|to) ?\d[\d,.]* of (\d[\d,.]*)", re.IGNORECASE)


@dataclass(frozen=True)
class Row:
    """One key of the table. ``line`` is the number of its first line in the paste.

    ``other_names``: further possible names, if the name spans several lines. ``by`` has the lines of the
    cell. ``shown``: the status in Cerby's word. ``created`` is None if the table has no such column.
    """

    line: int
    name: str
    created: Day | None
    by: tuple[str, ...]
    status: RowStatus
    shown: str
    other_names: tuple[str, ...] = ()

    @property
    def email(self) -> str:
        """Return the email in "By" in lower case, or an empty string."""
        match = EMAIL.search(" ".join(self.by))
        return match[0].casefold() if match else ""


@dataclass(frozen=True)
class Unreadable:
    line: int
    text: str
    why: str


@dataclass(frozen=True)
class Table:
    """``total``: how many rows Cerby's page says that there are, or None. ``repeated``: rows pasted twice.

    ``asks_order``: no row was read, because it is unknown whether 11/12/2026 is in November or December.
    ``contradictory``: neither order fits all dates. ``more_unreadable``: unreadable lines beyond the limit.
    """

    rows: list[Row]
    unreadable: list[Unreadable]
    more_unreadable: int = 0
    repeated: int = 0
    total: int | None = None
    asks_order: bool = False
    contradictory: bool = False

    @property
    def is_incomplete(self) -> bool:
        return self.total is not None and self.total > len(self.rows) + self.repeated


def read_table(text: str, today: date, order: DayOrder | None = None) -> Table:
    """Read the rows of ``text``. ``order``: the answer to ``asks_order``, or None if nobody was asked.

    Takes time and memory in proportion to the text. Raises ``Invalid`` for the field ``text``
    if it is too long.
    """
    text = clean(text)
    if len(text) > LONGEST_TEXT or text.count("\n") > MOST_LINES:
        raise Invalid(text=f"This is too long. Paste at most {MOST_LINES:,} lines and 1 MB.")
    lines = [(number, line.strip(" ")) for number, line in enumerate(text.split("\n"), start=1)]
    totals = [int(re.sub(r"\D", "", match[1])) for match in _TOTAL.finditer(text)]
    with_tabs = any("\t" in line.strip("\t") for _, line in lines)
    records = list(one_cell_per_line(lines, today))
    if with_tabs:
        records = max(list(tabbed(lines, today)), records, key=_readable)
    open_dates = [one.date for one in records if isinstance(one.date, EitherDay) and not one.why]
    decided = order or decide_order(open_dates, today)
    total = max(totals, default=None)
    if decided is None:
        latest = [one for one in open_dates if one.day_first is None or one.month_first is None]
        return Table([], [], total=total, asks_order=True, contradictory=bool(latest))
    rows: list[Row] = []
    unreadable: list[Unreadable] = []
    for record in records:
        found = _row(record, decided)
        if isinstance(found, Row):
            rows.append(found)
        else:
            unreadable.append(found)
    once = _without_repetitions(rows)
    if len(once) > MOST_ROWS:
        raise Invalid(text=f"This has {len(once):,} rows; at most {MOST_ROWS:,} can be compared at once.")
    return Table(
        rows=once,
        unreadable=unreadable[:MOST_UNREADABLE],
        more_unreadable=max(0, len(unreadable) - MOST_UNREADABLE),
        repeated=len(rows) - len(once),
        total=total,
    )


def _readable(records: Sequence[Record]) -> int:
    """Return how many rows can be read, to choose between two ways of reading the same text."""
    return sum(
        1 for one in records if not one.why and one.name and one.shown and (one.date or one.has_no_date)
    )


def _without_repetitions(rows: Sequence[Row]) -> list[Row]:
    """Leave out rows of a page that was pasted twice. Equal rows that follow each other are two keys."""
    kept: list[Row] = []
    last_at: dict[Row, int] = {}
    for index, row in enumerate(rows):
        bare = replace(row, line=0)
        if last_at.get(bare, index - 1) == index - 1:
            kept.append(row)
        last_at[bare] = index
    return kept


def _row(record: Record, order: DayOrder) -> Row | Unreadable:
    created = record.date.read(order) if isinstance(record.date, EitherDay) else record.date
    why = record.why
    if not why and not record.name:
        why = "It has no name."
    if not why and not record.shown:
        why = NO_STATUS
    if not why and created is None and not record.has_no_date:
        why = "It has no date that the portal can read."
    status = status_of(record.shown)
    if why or status is None:
        return Unreadable(record.line, record.text[:LONGEST_CELL], why)
    spaced = " ".join(record.name)
    others = ["".join(record.name), record.name[-1]] if len(record.name) > 1 else []
    return Row(
        line=record.line,
        name=spaced,
        created=created,
        by=tuple(record.by),
        status=status,
        shown=record.shown[:40],
        other_names=tuple(dict.fromkeys(other for other in others if other != spaced)),
    )
