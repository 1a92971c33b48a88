"""Write CSV lines that are safe to open in a spreadsheet and to read."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable

from keys.rules.visible import visible

_STARTS_A_FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""OWASP, "CSV Injection": a spreadsheet may run a cell that starts with one of these.

Apostrophes may precede it, so that the one that ``line`` adds can be told from them.
"""


class _Line:
    """A file for csv.writer; its ``write`` returns the line."""

    def write(self, line: str) -> str:
        return line


_writer = csv.writer(_Line(), quoting=csv.QUOTE_ALL)  # spreadsheets may split at other characters, too


def line(cells: Iterable[str]) -> str:
    """Return one line. A cell that a spreadsheet might run starts with an apostrophe.

    Invisible characters are written as code points, as on the pages.
    """
    safe = [f"'{visible(cell)}" if _STARTS_A_FORMULA.match(cell) else visible(cell) for cell in cells]
    return str(_writer.writerow(safe))


def without_apostrophe(cell: str) -> str:
    """Return ``cell`` without the apostrophe that ``line`` puts before a formula."""
    return cell[1:] if cell.startswith("'") and _STARTS_A_FORMULA.match(cell) else cell
