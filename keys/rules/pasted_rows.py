"""Put the cells of a pasted table together to rows, from lines with tabs or from one cell per line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from keys.rules.pasted_cells import (
    BY,
    COLUMNS,
    CREATED,
    EMAIL,
    LONGEST_CELL,
    NAME,
    STATUS,
    Record,
    cell_lines,
    is_date,
    is_empty,
    is_frame,
    is_heading,
    is_status,
)
from keys.rules.pasted_dates import read_date

MOST_CELLS = 15
COLUMNS_WITHOUT_HEADER = 6
MOST_LINES_OF_A_NAME = 3
MOST_LINES_OF_A_PERSON = 5
TOO_LONG = "It is too long for a row of the table."
NO_STATUS = "It has no status that the portal knows: Active, Expired, Removed, Revoked or Disabled."
NO_ROW = "It belongs to no row of the table."

Lines = Sequence[tuple[int, str]]


def tabbed(lines: Lines, today: date) -> Iterator[Record]:
    """Yield the rows of a table that was copied with tabs. A cell may span several lines."""
    header: list[int | None] = []
    columns = COLUMNS_WITHOUT_HEADER
    current: Record | None = None
    for number, line in lines:
        cells = [cell.strip() for cell in line.split("\t")]
        filled = [cell for cell in cells if cell]
        if not filled:
            continue
        if found := _header(cells):
            header, columns = found, len(filled)
            yield from _finished(current, header, today)
            current = None
        elif current is not None and _continues(current, cells, columns, today):
            current.cells[-1] = f"{current.cells[-1]}\n{cells[0]}"
            current.cells += cells[1:]
        elif all(map(is_frame, filled)) or (len(filled) == 1 and is_heading(filled[0])):
            continue
        else:
            yield from _finished(current, header, today)
            current = Record(number, cells)
    yield from _finished(current, header, today)


def _header(cells: Sequence[str]) -> list[int | None]:
    """Return the meaning of each column if ``cells`` are a header, else an empty list."""
    columns = [COLUMNS.get(" ".join(cell.casefold().split())) for cell in cells]
    return columns if NAME in columns and {STATUS, CREATED} & set(columns) else []


def _continues(current: Record, cells: Sequence[str], columns: int, today: date) -> bool:
    """Return whether a line continues the row that began before it, because a cell spans several lines.

    A row with a status, or with as many filled cells as ``columns``, is complete.
    """
    if len(current.cells) > MOST_CELLS or len(current.cells[-1]) > LONGEST_CELL:
        return False
    if any(is_status(cell) for one in current.cells for cell in cell_lines(one)):
        return False
    begun = sum(1 for cell in current.cells if cell)
    if begun >= columns:
        return False
    if begun == 1:  # so far only a name, or a line that belongs to no row
        few = len(cell_lines(" ".join(current.cells))) < MOST_LINES_OF_A_NAME
        return few and (len(cells) > 1 or not is_frame(cells[0]))
    has_both = any(map(is_status, cells)) and any(is_date(cell, today) for cell in cells)
    return not has_both


def _finished(record: Record | None, header: Sequence[int | None], today: date) -> Iterator[Record]:
    if record is None:
        return
    cells = [part for cell in record.cells for part in _split(cell_lines(cell), today)]
    flat = [line for lines in cells for line in lines]
    if len(flat) > 2 * MOST_LINES_OF_A_PERSON + len(record.cells) or len(record.text) > 4 * LONGEST_CELL:
        record.why = TOO_LONG
    elif header and len(cells) >= len(header) - 1 and header.index(NAME) < len(cells):
        _read_by_header(record, cells, header, today)
    else:
        _read_by_content(record, cells, today)
    yield record


def _split(lines: list[str], today: date) -> list[list[str]]:
    """Split dates and statuses off a cell: after a block, Chromium copies a line break instead of the tab."""
    parts: list[list[str]] = [[]]
    for line in lines:
        alone = len(lines) > 1 and (is_status(line) or is_date(line, today))
        if parts[-1] and (alone or _is_alone(parts[-1], today)):
            parts.append([])
        parts[-1].append(line)
    return parts


def _is_alone(part: list[str], today: date) -> bool:
    return len(part) == 1 and (is_status(part[0]) or is_date(part[0], today))


def _read_by_header(
    record: Record, cells: list[list[str]], header: Sequence[int | None], today: date
) -> None:
    found: dict[int, list[str]] = {
        column: lines for column, lines in zip(header, cells, strict=False) if column is not None and lines
    }
    record.name = found.get(NAME, [])
    record.by = found.get(BY, [])
    record.date = read_date(" ".join(found.get(CREATED, [])), today)
    record.has_no_date = CREATED not in header
    record.shown = next(filter(is_status, found.get(STATUS, [])), "")
    if not record.shown and not found.get(STATUS):
        _read_by_content(record, cells, today)


def _read_by_content(record: Record, cells: list[list[str]], today: date) -> None:
    """Find out what each cell is: the last status, the first date, the first other text, and the person."""
    filled = [lines for lines in cells if lines]
    status = next((lines for lines in reversed(filled[1:]) if any(map(is_status, lines))), None)
    dated = next((lines for lines in filled if is_date(" ".join(lines), today)), None)
    texts = [
        lines
        for lines in filled
        if lines is not status and not is_date(" ".join(lines), today) and not is_empty(" ".join(lines))
    ]
    named = [lines for lines in texts if not all(map(is_frame, lines))] or texts
    record.name = named[0] if named else []
    people = [lines for lines in named[1:] if EMAIL.search(" ".join(lines))] or named[1:]
    record.by = people[0] if people else []
    record.date = read_date(" ".join(dated), today) if dated else None
    record.shown = next(filter(is_status, status), "") if status else ""


class _Cells:
    """Read names until a date, then the person until a status. Other columns have dates or nothing."""

    def __init__(self, today: date) -> None:
        self.today = today
        self.current: Record | None = None

    def read(self, lines: Lines) -> Iterator[Record]:
        for number, line in lines:
            if len(line) > LONGEST_CELL:
                yield from self._end()
                yield Record(number, [line], why=TOO_LONG)
            elif not is_frame(line):
                yield from self._read(number, line)
        yield from self._end()

    def _read(self, number: int, line: str) -> Iterator[Record]:
        current, is_a_date = self.current, is_date(line, self.today)
        if current is None:
            if not (is_a_date or is_empty(line) or is_heading(line)):
                self.current = Record(number, [line], name=[line])
        elif is_a_date and current.date is None:
            current.date = read_date(line, self.today)
            current.cells.append(line)
        elif is_a_date and len(current.by) > 1:  # the next row's date: this row has no status
            name = current.by.pop()
            current.cells.pop()
            yield from self._end()
            self.current = Record(number - 1, [name, line], name=[name], date=read_date(line, self.today))
        elif is_status(line):
            current.shown = line
            current.cells.append(line)
            yield from self._end()
        elif not is_a_date:
            yield from self._add(current, line)

    def _add(self, current: Record, line: str) -> Iterator[Record]:
        (current.name if current.date is None else current.by).append(line)
        current.cells.append(line)
        if len(current.name) > MOST_LINES_OF_A_NAME:
            current.cells.pop(0)
            yield Record(current.line, [current.name.pop(0)], why=NO_ROW)
            current.line += 1
        if len(current.by) > MOST_LINES_OF_A_PERSON:
            yield from self._end()

    def _end(self) -> Iterator[Record]:
        if self.current is not None:
            self.current.why = "" if self.current.shown else NO_STATUS
            yield self.current
        self.current = None


def one_cell_per_line(lines: Lines, today: date) -> Iterator[Record]:
    """Yield the rows of a table of which each cell is on its own line, or on several."""
    cells = ((number, cell.strip()) for number, line in lines for cell in line.split("\t"))
    filled = [(number, cell) for number, cell in cells if cell]
    headings = [line.casefold() for _, line in filled]
    begins = headings.index("status") + 1 if "status" in headings else 0
    if "name" not in headings[:begins]:
        begins = 0
    yield from _Cells(today).read(filled[begins:])
