"""Read the rows of a CSV file as spreadsheets and the portal's own export write them."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass

from keys.rules.csv_cells import STARTS_A_FORMULA
from keys.rules.errors import Invalid
from keys.selectors.inventory.table import EXPORT_HEADER

REQUIRED = ("name", "owner", "expires", "purpose", "scopes")
OPTIONAL = ("created", "accountable", "backup", "team", "system", "kind", "environment", "review", "tags")
MOST_LINES = 5_000
DELIMITERS = ",;\t|"

_OF_EXPORT = {
    "name": "name",
    "owner email": "owner",
    "accountable person's email": "accountable",
    "backup's email": "backup",
    "team": "team",
    "system": "system",
    "kind": "kind",
    "environment": "environment",
    "review date": "review",
    "tags": "tags",
    "scopes": "scopes",
    "created on (utc)": "created",
    "expires (utc)": "expires",
    "purpose": "purpose",
    "status": "status",
}
"""The columns of the portal's export that an import reads. It ignores the others."""
_EXPORTED = {name.casefold() for name in EXPORT_HEADER}
_SEPARATOR = re.compile(r"\"?sep=(.)\"?[,;\t|]*\r?\n?", re.IGNORECASE)
_LINE_BREAKS = re.compile(r"[ \t]*[\r\n]+[ \t]*")


@dataclass(frozen=True)
class Row:
    """``number`` is the row's first line in the file. ``cells`` are stripped and by column name.

    ``is_exported``: the file is an export of the portal, whose times are in UTC.
    """

    number: int
    cells: dict[str, str]
    has_surplus: bool
    is_exported: bool


def read_rows(text: str) -> list[Row]:
    """Return the rows below the header. Raise ``Invalid`` for the field ``file``."""
    lines = _lines(text.removeprefix("\ufeff"))
    if not lines:
        raise Invalid(file="The file is empty.")
    if lines[0][1][0].startswith(("api-keys; filter: ", "sep=")):  # the first line of earlier exports
        lines.pop(0)
    header = [cell.casefold() for cell in lines.pop(0)[1]] if lines else []
    is_exported = {"owner email", "expires (utc)"} <= set(header)
    names = _names_in_export(header) if is_exported else _names(header)
    if not lines:
        raise Invalid(file="The file has a header but no keys.")
    if len(lines) > MOST_LINES:
        raise Invalid(
            file=f"The file has {len(lines):,} keys; at most {MOST_LINES:,} are allowed. "
            "Split it into several files."
        )
    blank = dict.fromkeys((*REQUIRED, *OPTIONAL), "")
    return [
        Row(
            number=number,
            cells=blank | {name: cell for name, cell in zip(names, cells, strict=False) if name},
            has_surplus=any(cell for name, cell in zip(names, cells, strict=False) if name is None)
            or any(cells[len(names) :]),
            is_exported=is_exported,
        )
        for number, cells in lines
    ]


def _lines(text: str) -> list[tuple[int, list[str]]]:
    """Return the cells of each line that is not blank, with the number of its first line."""
    declared = _SEPARATOR.match(text)
    skipped = 1 if declared else 0
    text = text[declared.end() :] if declared else text
    delimiter = declared[1] if declared else _delimiter(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    lines, last = [], 0
    try:
        for cells in reader:
            tidy = [_tidy(cell) for cell in cells]
            if any(tidy):
                lines.append((last + 1 + skipped, tidy))
            last = reader.line_num
    except csv.Error as error:
        raise Invalid(file=f"Line {reader.line_num + skipped} is not CSV: {error}.") from error
    return lines


def _delimiter(text: str) -> str:
    """Return the delimiter with which the header has the most known columns."""
    beginning = text.lstrip().partition("\n")[0]
    known = {*REQUIRED, *OPTIONAL, *_EXPORTED}

    def columns(delimiter: str) -> int:
        return len({cell.strip(' "\r').casefold() for cell in beginning.split(delimiter)} & known)

    return max(DELIMITERS, key=columns)


def _tidy(cell: str) -> str:
    """Return ``cell`` on one line and without the apostrophe that the export puts before a formula."""
    bare = cell.strip()
    if bare.startswith("'") and bare[1:].startswith(STARTS_A_FORMULA):
        bare = bare[1:].strip()
    return _LINE_BREAKS.sub(" ", bare)


def _names_in_export(header: list[str]) -> list[str | None]:
    unknown = [name for name in header if name and name not in _EXPORTED]
    if unknown:
        raise Invalid(file=f"There is no column “{unknown[0][:30]}” in an export of the portal.")
    return [_OF_EXPORT.get(name, "") if name else None for name in header]


def _names(header: list[str]) -> list[str | None]:
    """Return the name of each column, or None for one without a name, which must be blank."""
    names = [name for name in header if name]
    missing = [name for name in REQUIRED if name not in names]
    unknown = [name for name in names if name not in {*REQUIRED, *OPTIONAL}]
    expected = (
        f"The first line must name the columns {', '.join(REQUIRED)}, and may name {', '.join(OPTIONAL)}."
    )
    if missing:
        are_missing = "column {} is" if len(missing) == 1 else "columns {} are"
        raise Invalid(file=f"The {are_missing.format(', '.join(missing))} missing. {expected}")
    if unknown:
        raise Invalid(
            file=f"There is no column “{unknown[0][:30]}”. {expected} "
            "Never put the value of a key into the file."
        )
    if len(set(names)) < len(names):
        raise Invalid(file=f"A column appears twice. {expected}")
    return [name or None for name in header]
