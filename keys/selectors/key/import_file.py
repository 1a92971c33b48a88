"""Read the rows of a CSV file as spreadsheets and the portal's own export write them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from keys.rules import key_text
from keys.rules.csv_cells import without_apostrophe
from keys.rules.errors import Invalid
from keys.rules.visible import from_visible
from keys.selectors.inventory.table import EXPORT_HEADER

REQUIRED = ("name", "owner", "expires", "purpose", "scopes")
OPTIONAL = (
    *("created", "accountable", "backup", "team", "system", "kind", "environment", "review", "tags"),
    "note",
)
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
    "note by people": "note",
}
"""The columns of the portal's export that an import reads."""
_EXPORTED = {name.casefold() for name in EXPORT_HEADER}
_SEPARATOR = re.compile(r"\"?sep=(.)\"?[,;\t|]*\r?\n?", re.IGNORECASE)
_LINE_BREAK = re.compile(r"\r\n|\r|\n")
_LINE_BREAKS = re.compile(r"[ \t]*[\r\n]+[ \t]*")


@dataclass(frozen=True)
class Row:
    """``number`` is the row's first line in the file. ``cells`` are stripped and by column name.

    ``is_exported``: the file is an export of the portal, whose times are in UTC and whose names are exact.
    """

    number: int
    cells: dict[str, str]
    has_surplus: bool
    is_exported: bool


@dataclass(frozen=True)
class File:
    """``unused``: the names of the columns that the import does not read.

    ``text``: the file without the cells of these columns, because they may hold anything, even keys. Each
    row begins on the same line as in the file.
    """

    rows: list[Row]
    unused: tuple[str, ...]
    text: str


def read_file(text: str) -> File:
    """Return the rows below the header. Raise ``Invalid`` for the field ``file``."""
    lines = _lines(text.removeprefix("\ufeff"))
    if lines and lines[0][1][0].strip().startswith(("api-keys; filter: ", "sep=")):  # of earlier exports
        lines.pop(0)
    if not lines:
        raise Invalid(file="The file is empty.")
    written = [cell.strip() for cell in lines[0][1]]
    header = [cell.casefold() for cell in written]
    is_exported = {"owner email", "expires (utc)"} <= set(header)
    known = _OF_EXPORT if is_exported else {name: name for name in (*REQUIRED, *OPTIONAL)}
    names = [known.get(name, "") for name in header]
    _check_header(names)
    if len(lines) == 1:
        raise Invalid(file="The file has a header but no keys.")
    if len(lines) > MOST_LINES + 1:
        raise Invalid(
            file=f"The file has {len(lines) - 1:,} keys; at most {MOST_LINES:,} are allowed. "
            "Split it into several files."
        )
    unused = [title for title, name in zip(written, names, strict=True) if title and not name]
    surplus = [index for index, title in enumerate(written) if not title]
    rows = [_row(number, cells, names, surplus, is_exported=is_exported) for number, cells in lines[1:]]
    shown = tuple(key_text.redacted(title)[:30] for title in unused)
    return File(rows, shown, "".join(_without_unused(lines, names, rows)) if unused else text)


def _row(
    number: int, cells: list[str], names: list[str], surplus: Sequence[int], *, is_exported: bool
) -> Row:
    tidy = {name: _tidy(cell) for name, cell in zip(names, cells, strict=False) if name}
    if is_exported:
        tidy["name"] = from_visible(_tidy(cells[names.index("name")], is_exact=True))
    return Row(
        number=number,
        cells=dict.fromkeys((*REQUIRED, *OPTIONAL), "") | tidy,
        has_surplus=any(cell.strip() for cell in cells[len(names) :])
        or any(cells[index].strip() for index in surplus if index < len(cells)),
        is_exported=is_exported,
    )


def _without_unused(lines: list[tuple[int, list[str]]], names: list[str], rows: list[Row]) -> Iterator[str]:
    """Yield the lines of the file with only the cells that are read, and a mark for surplus ones."""
    used = [index for index, name in enumerate(names) if name]
    number = 1
    for (first, cells), row in zip(lines, [None, *rows], strict=True):
        kept = [cells[index] if index < len(cells) else "" for index in used]
        kept += ["…"] if row is not None and row.has_surplus else []
        written = io.StringIO(newline="")
        csv.writer(written, lineterminator="\n").writerow(kept)
        yield "\n" * (first - number) + written.getvalue()
        number = first + len(_LINE_BREAK.findall(written.getvalue()))


def _lines(text: str) -> list[tuple[int, list[str]]]:
    """Return the cells, as they are, of each line that is not blank, with the number of its first line."""
    declared = _SEPARATOR.match(text)
    skipped = 1 if declared else 0
    text = text[declared.end() :] if declared else text
    delimiter = declared[1] if declared else _delimiter(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    lines, last = [], 0
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                lines.append((last + 1 + skipped, cells))
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


def _tidy(cell: str, *, is_exact: bool = False) -> str:
    """Return ``cell`` on one line, without spaces at its ends unless ``is_exact``, and without the apostrophe
    that the export puts before a formula.
    """
    bare = without_apostrophe(cell if is_exact else cell.strip())
    return _LINE_BREAKS.sub(" ", bare if is_exact else bare.strip())


def _check_header(names: list[str]) -> None:
    expected = (
        f"The first line must name the columns {', '.join(REQUIRED)}, and may name {', '.join(OPTIONAL)}."
    )
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        are_missing = "column {} is" if len(missing) == 1 else "columns {} are"
        raise Invalid(file=f"The {are_missing.format(', '.join(missing))} missing. {expected}")
    used = [name for name in names if name]
    if len(set(used)) < len(used):
        raise Invalid(file=f"A column appears twice. {expected}")
