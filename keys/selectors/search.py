"""Substring search over names and owners: an FTS5 trigram index, kept by database triggers."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Q, QuerySet

SHORTEST = 3
"""A trigram index knows nothing shorter."""

FEW = 500
"""Up to so many matches are fetched by id and sorted; of more, the next page is soon found by walking."""


def matching(keys: QuerySet[Any, Any], text: str) -> QuerySet[Any, Any]:
    """Those of ``keys`` whose name, or whose owner's name or e-mail, contains ``text`` in any case.

    Either way the work is bounded, however many keys there are: rare text has few matches to sort,
    and common text fills a page after a short walk along the order that is asked for.
    """
    few = _ids(text, FEW + 1)
    if len(few) <= FEW:
        return keys.filter(pk__in=few)
    return keys.filter(
        Q(name__icontains=text) | Q(owner_name__icontains=text) | Q(owner_email__icontains=text)
    )


def _ids(text: str, limit: int) -> list[UUID]:
    phrase = '"' + text.replace('"', '""') + '"'
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT document.key_id FROM keys_search JOIN keys_search_document AS document"
            " ON document.id = keys_search.rowid WHERE keys_search MATCH %s LIMIT %s",
            [phrase, limit],
        )
        return [UUID(row[0]) for row in cursor.fetchall()]
