"""List the columns of the inventory's table, and choose those that a page shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django import forms
from django.conf import settings

from keys.models import ApiKey


@dataclass(frozen=True)
class Column:
    """``name``: as in the query string. ``sort``: the sort order of its header, if there is one.

    ``field``: the column of the database, if the cell is only its value as ``text``. The template draws
    the other cells. ``looks``: the classes of a plain cell. ``by_default``: shown if nobody chose columns.
    """

    name: str
    title: str
    sort: str = ""
    by_default: bool = False
    field: str = ""
    text: Callable[[Any], str] = str
    looks: str = ""

    @property
    def label(self) -> str:
        if self.name == "last-used" and settings.CERBY_ISSUE_MODE == "assisted":
            return "Last known use"
        return self.title


def _day(day: date | None) -> str:
    return f"{day.day} {day:%b %Y}" if day else ""


def _one_of(labels: Iterable[tuple[str, str]]) -> Callable[[str], str]:
    by_value = dict(labels)
    return lambda value: by_value.get(value, "")


NAME = Column("name", "Name", sort="name", by_default=True)
OF_OWNER = "owner"
"""The column that says nothing to people who see only their own keys."""

ABOUT = (
    Column("backup", "Backup", field="backup__name", text=lambda name: name or ""),
    Column("team", "Team", field="team"),
    Column("system", "System", field="system"),
    Column("kind", "Kind", field="kind", text=_one_of(ApiKey.Kind.choices)),
    Column("environment", "Environment", field="environment", text=_one_of(ApiKey.Environment.choices)),
    Column("review", "Review date", sort="review", field="review_on", text=_day, looks="nowrap"),
    Column("tags", "Tags", field="tags", text=", ".join),
    Column("purpose", "Purpose", field="purpose", looks="wide whole"),
)
"""The plain cells after the accountable person."""
FACTS = (
    Column("origin", "Origin", field="origin", text=_one_of(ApiKey.Origin.choices)),
    Column("last-four", "Last four", field="last_four", text=lambda four: f"…{four}" if four else ""),
    Column("stored", "Stored in", field="stored_in"),
    Column("note", "Note", field="note", looks="wide whole"),
    Column("id", "Key id", field="id", looks="whole"),
)
"""The plain cells before the status."""
ALL = (
    NAME,
    Column("accountable", "Accountable", sort="accountable", by_default=True),
    *ABOUT,
    Column("owner", "Owner", sort="owner", by_default=True),
    Column("scopes", "Scopes", sort="scopes", by_default=True),
    Column("created", "Created on", sort="created", by_default=True),
    Column("expires", "Expires", sort="expires", by_default=True),
    Column("last-used", "Last used", sort="last-used", by_default=True),
    *FACTS,
    Column("status", "Status", sort="status", by_default=True),
)
"""All columns, in the order of the table. To add a plain one, add it to ``ABOUT`` or ``FACTS``."""
DEFAULT = tuple(column.name for column in ALL if column.by_default)


class ColumnsField(forms.Field):
    """Names of columns, as ``columns=name,owner`` or, from the checkboxes, as several values.

    The cleaned value has them in the order of the table, with the name, or is empty if none is given.
    """

    widget = forms.MultipleHiddenInput

    def to_python(self, value: Any) -> tuple[str, ...]:
        given = {name.strip() for each in value or () for name in str(each).split(",")} - {""}
        known = {column.name for column in ALL}
        if unknown := sorted(given - known):
            names = ", ".join(column.name for column in ALL)
            raise forms.ValidationError(f"“{unknown[0][:40]}” is not a column. The columns are {names}.")
        return tuple(column.name for column in ALL if column.name in given | {NAME.name}) if given else ()


@dataclass(frozen=True)
class Shown:
    """The columns of one page. ``about`` and ``facts``: those with plain cells, by their place."""

    columns: tuple[Column, ...]
    offered: tuple[Column, ...]
    about: tuple[Column, ...]
    facts: tuple[Column, ...]

    @property
    def names(self) -> dict[str, bool]:
        """Return the names for the template, which knows no hyphens."""
        return {column.name.replace("-", "_"): True for column in self.columns}

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(column.field for column in (*self.about, *self.facts))

    @property
    def is_wide(self) -> bool:
        """Return whether there are more columns than fit beside each other on most screens."""
        return len(self.columns) > len(DEFAULT)

    def cells(self, values: Sequence[Any]) -> tuple[list[tuple[str, str, str]], list[tuple[str, str, str]]]:
        """Return label, classes and text of each plain cell. ``values``: those of ``fields``."""
        split = len(self.about)
        return _cells(self.about, values[:split]), _cells(self.facts, values[split:])


def _cells(columns: Sequence[Column], values: Sequence[Any]) -> list[tuple[str, str, str]]:
    return [
        (column.title, column.looks, column.text(value))
        for column, value in zip(columns, values, strict=True)
    ]


def shown(names: Sequence[str] = (), *, own_only: bool = False) -> Shown:
    """Return the columns with these names, or the default ones. ``own_only``: without the owner."""
    wanted = names or DEFAULT
    offered = tuple(column for column in ALL if not (own_only and column.name == OF_OWNER))
    columns = tuple(column for column in offered if column.name in wanted)
    about, facts = (tuple(column for column in part if column in columns) for part in (ABOUT, FACTS))
    return Shown(columns, offered, about, facts)
