"""CSV downloads: streamed, dated, and safe to open in a spreadsheet."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator

from django.http import StreamingHttpResponse

from keys.selectors.inventory import Export
from keys.wording import utc

STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""OWASP, "CSV Injection": a cell that starts so may be run by a spreadsheet."""


class _Line:
    """A file for csv.writer whose write() hands the line back."""

    def write(self, line: str) -> str:
        return line


def csv_response(name: str, header: list[str], export: Export) -> StreamingHttpResponse:
    """``name`` is the file's name without date and ending. The first line says what this is a list of."""
    response = StreamingHttpResponse(_lines(name, header, export), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}-{export.as_of:%Y%m%dT%H%M%SZ}.csv"'
    response["Cache-Control"] = "no-store, private"
    return response


def _lines(name: str, header: list[str], export: Export) -> Iterator[str]:
    writer = csv.writer(_Line(), quoting=csv.QUOTE_ALL)  # a spreadsheet may split at more than commas
    about = f"{name}; filter: {export.filter}; count: {export.count}; as of: {utc(export.as_of)}"
    yield "\ufeff" + writer.writerow(_safe([about]))
    yield writer.writerow(header)
    for row in export.rows:
        yield writer.writerow(_safe(row))


def _safe(cells: Iterable[str]) -> list[str]:
    return [f"'{cell}" if cell.startswith(STARTS_A_FORMULA) else cell for cell in cells]
