"""CSV downloads: streamed, dated, and safe to open in a spreadsheet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC
from urllib.parse import quote

from django.http import StreamingHttpResponse

from keys.rules import csv_cells
from keys.rules.formatting import utc
from keys.selectors.inventory.exports import Export

_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9=.@]+")
_LONGEST_FILTER = 60


def csv_response(name: str, header: list[str], export: Export) -> StreamingHttpResponse:
    """Return ``export`` as a CSV file. Its first line is the header, without a byte order mark.

    The name of the file begins with ``name`` and says what is listed: the filter, the number of rows if it is
    known, and the time in UTC. Response headers say the same in full.
    """
    response = StreamingHttpResponse(_lines(header, export), content_type="text/csv; charset=utf-8")
    listed = _NOT_IN_A_NAME.sub("-", export.filter).strip("-")[:_LONGEST_FILTER]
    counted = "" if export.count is None else f"-{export.count}-rows"
    file_name = f"{name}-{listed}{counted}-{export.as_of.astimezone(UTC):%Y%m%dT%H%M%SZ}.csv"
    response["Content-Disposition"] = f'attachment; filename="{file_name}"'
    response["Export-Filter"] = quote(export.filter, safe=" =&;,:@+/")
    if export.count is not None:
        response["Export-Count"] = str(export.count)
    response["Export-Time"] = utc(export.as_of)
    response["Cache-Control"] = "no-store, private"
    return response


def _lines(header: list[str], export: Export) -> Iterator[str]:
    yield csv_cells.line(header)
    for row in export.rows:
        yield csv_cells.line(row)
