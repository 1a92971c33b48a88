"""Stream the rows of a query as lines for a CSV file, with their number."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from keys.selectors.inventory.keyset import CountOf

ROWS_AT_ONCE = 1000


@dataclass(frozen=True)
class Export:
    """``rows`` can be read once. ``filter`` is the filter in words. ``count`` is None if it is not known."""

    count: int | None
    as_of: datetime
    filter: str
    rows: Iterator[list[str]]


def export(
    rows: QuerySet[Any, Any],
    columns: Sequence[str],
    cells: Callable[[tuple[Any, ...]], list[str]],
    *,
    filter: str,  # noqa: A002 - named like the field
) -> Export:
    """Read ``columns`` of ``rows`` in one statement, so that the count and the rows agree.

    ``cells`` turns one row's values into the cells of its line. Memory doesn't grow with the number of rows.
    """
    as_of = timezone.now()
    values = rows.values_list(*columns, CountOf(rows)).iterator(chunk_size=ROWS_AT_ONCE)
    first = next(values, None)
    if first is None:
        return Export(0, as_of, filter, iter(()))
    count = first[-1]
    listed = islice(chain([first], values), count)  # without the event of this download
    return Export(count, as_of, filter, (cells(row[:-1]) for row in listed))
