"""CSV downloads: streamed, dated, and safe to open in a spreadsheet."""

from __future__ import annotations

from collections.abc import Iterator

from django.http import StreamingHttpResponse

from keys.rules import csv_cells
from keys.rules.formatting import utc
from keys.selectors.inventory.exports import Export


def csv_response(name: str, header: list[str], export: Export) -> StreamingHttpResponse:
    """Return ``export`` as a CSV file. Its first line says what is listed.

    ``name`` is the file name without date and extension.
    """
    response = StreamingHttpResponse(_lines(name, header, export), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}-{export.as_of:%Y%m%dT%H%M%SZ}.csv"'
    response["Cache-Control"] = "no-store, private"
    return response


def _lines(name: str, header: list[str], export: Export) -> Iterator[str]:
    about = f"{name}; filter: {export.filter}; count: {export.count}; as of: {utc(export.as_of)}"
    yield "\ufeff" + csv_cells.line([about])
    yield csv_cells.line(header)
    for row in export.rows:
        yield csv_cells.line(row)
