"""Count rows up to a limit, so that a count costs the same however many rows there are."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

COUNT_LIMIT = 1000


def bounded_count(rows: QuerySet[Any, Any], limit: int | None = None) -> int:
    """Return the number of ``rows``, or ``limit + 1`` if there are more. ``limit``: ``COUNT_LIMIT``."""
    most = COUNT_LIMIT if limit is None else limit
    return rows[: most + 1].count()


def has_at_most(rows: QuerySet[Any, Any], limit: int) -> bool:
    return bounded_count(rows, limit) <= limit


def count_label(count: int) -> str:
    """Return a bounded count in words: ``312``, or ``1,000+`` if it exceeds ``COUNT_LIMIT``."""
    return f"{count:,}" if count <= COUNT_LIMIT else f"{COUNT_LIMIT:,}+"
