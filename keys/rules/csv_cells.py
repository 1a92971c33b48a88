"""Write CSV lines that are safe to open in a spreadsheet and to read."""

from __future__ import annotations

import csv
from collections.abc import Iterable

from keys.rules.visible import visible

STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""OWASP, "CSV Injection": a spreadsheet may run a cell that starts with one of these."""


class _Line:
    """A file for csv.writer; its ``write`` returns the line."""

    def write(self, line: str) -> str:
        return line


_writer = csv.writer(_Line(), quoting=csv.QUOTE_ALL)  # spreadsheets may split at other characters, too


def line(cells: Iterable[str]) -> str:
    """Return one line. A cell that a spreadsheet might run starts with an apostrophe.

    Invisible characters are written as code points, as on the pages.
    """
    safe = [f"'{visible(cell)}" if cell.startswith(STARTS_A_FORMULA) else visible(cell) for cell in cells]
    return str(_writer.writerow(safe))
