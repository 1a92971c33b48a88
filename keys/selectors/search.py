"""Substring search over names and owners: an index of trigrams, kept by database triggers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

from django.db import connection
from django.db.models import F, Lookup, Q, QuerySet

from keys.models import SearchDocument, SearchIndex, fold
from keys.selectors.conditions import Condition, Walk
from keys.selectors.keyset import Order

SHORTEST = 3
"""A trigram index knows nothing shorter."""

_LOOKED_THROUGH = ("name_order", "owner_order", "owner_email")


class Matches(Lookup):
    """``text MATCH '"abc"'``: SQLite's FTS5 looks the phrase of the text's trigrams up in its index."""

    lookup_name = "matches"

    def get_prep_lookup(self) -> str:
        return '"' + str(self.rhs).replace('"', '""') + '"'

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        text, text_params = self.process_lhs(compiler, connection)
        phrase, phrase_params = self.process_rhs(compiler, connection)
        return f"{text} MATCH {phrase}", (*text_params, *phrase_params)


class HasTrigrams(Lookup):
    """Text that has all trigrams of another: PostgreSQL's GIN index of ``keys_trigrams`` (migration 0002)."""

    lookup_name = "has_trigrams"

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        text, text_params = self.process_lhs(compiler, connection)
        other, other_params = self.process_rhs(compiler, connection)
        return f"keys_trigrams({text}) @> keys_trigrams({other})", (*text_params, *other_params)


SearchIndex._meta.get_field("text").register_lookup(Matches)  # noqa: SLF001 - documented by Django
SearchDocument._meta.get_field("text").register_lookup(HasTrigrams)  # noqa: SLF001 - as above


@dataclass(frozen=True)
class Index:
    """One database's index of the documents: its matches, their order, and what to count to know how many."""

    found: Q
    newest_first: Order
    counted: QuerySet[Any]


def _fts5(folded: str) -> Index:
    return Index(
        found=Q(document__index__text__matches=folded),
        newest_first=Order((F("document__index__document"),), read_from=(F("document__id"),)),
        counted=SearchIndex.objects.filter(text__matches=folded),
    )


def _gin(folded: str) -> Index:
    """The index knows which documents have all the trigrams; whether these are the text, a look tells."""
    return Index(
        found=Q(document__text__has_trigrams=folded, document__text__contains=folded),
        newest_first=Order((F("document__id"),)),
        counted=SearchDocument.objects.filter(text__has_trigrams=folded, text__contains=folded),
    )


_INDEXES = {"sqlite": _fts5, "postgresql": _gin}


def containing(text: str) -> Condition:
    """Keys whose name, or whose owner's name or e-mail, contains ``text`` in any case.

    The documents are numbered in the order of creation, the newest first.
    """
    folded = fold(text)
    index = _INDEXES[connection.vendor](folded)
    return Condition(
        found=index.found,
        checked=reduce(or_, (Q((f"{column}__contains", folded)) for column in _LOOKED_THROUGH)),
        walks={"created": Walk(lambda keys: keys.filter(index.found), index.newest_first, opposite=True)},
        counted=index.counted,
    )
