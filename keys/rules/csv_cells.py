"""Lines of CSV that are safe to open in a spreadsheet."""

from __future__ import annotations

import csv
from collections.abc import Iterable

STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""OWASP, "CSV Injection": a cell that starts so may be run by a spreadsheet."""


class _Line:
    """A file for csv.writer whose write() hands the line back."""

    def write(self, line: str) -> str:
        return line


_writer = csv.writer(_Line(), quoting=csv.QUOTE_ALL)  # a spreadsheet may split at more than commas


def line(cells: Iterable[str]) -> str:
    """One line; a cell that a spreadsheet might run is led by an apostrophe."""
    safe = [f"'{cell}" if cell.startswith(STARTS_A_FORMULA) else cell for cell in cells]
    return str(_writer.writerow(safe))
