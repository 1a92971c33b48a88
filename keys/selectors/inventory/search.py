"""Search for substrings of names and owners with a trigram index, which database triggers maintain."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Any

from django.db import connection
from django.db.models import F, Lookup, Q, Subquery, Value
from django.db.models.functions import StrIndex
from django.db.models.lookups import GreaterThan

from keys.models import SearchDocument, SearchIndex, fold
from keys.selectors.inventory.conditions import Condition, Keys, Walk
from keys.selectors.inventory.keyset import Order

SHORTEST = 3
"""Characters; a trigram index can't find a shorter text."""

NEWEST, FEW_OF_NEWEST = 2_000, 2
"""Text is rare if at most 2 of the newest 2,000 documents contain it, which takes 0.5 ms to find out."""

_SEARCHED_COLUMNS = ("name_order", "owner_order", "owner_email")


class Matches(Lookup):
    """``text MATCH '"abc"'``: SQLite's FTS5 searches its index for the trigrams of the text as a phrase."""

    lookup_name = "matches"

    def get_prep_lookup(self) -> str:
        return '"' + str(self.rhs).replace('"', '""') + '"'

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        text, text_params = self.process_lhs(compiler, connection)
        phrase, phrase_params = self.process_rhs(compiler, connection)
        return f"{text} MATCH {phrase}", (*text_params, *phrase_params)


class HasTrigrams(Lookup):
    """Text with all trigrams of another, by PostgreSQL's GIN index of ``keys_trigrams`` (migration 0002)."""

    lookup_name = "has_trigrams"

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        text, text_params = self.process_lhs(compiler, connection)
        other, other_params = self.process_rhs(compiler, connection)
        return f"keys_trigrams({text}) @> keys_trigrams({other})", (*text_params, *other_params)


SearchIndex._meta.get_field("text").register_lookup(Matches)  # noqa: SLF001 - documented by Django
SearchDocument._meta.get_field("text").register_lookup(HasTrigrams)  # noqa: SLF001 - as above


def containing(text: str) -> Condition:
    """Return the condition for keys with ``text`` in their name, owner's name or email, ignoring case."""
    return _CONDITIONS[connection.vendor](fold(text))


def _on_sqlite(folded: str) -> Condition:
    """Use the index for any text: it returns its matches one by one, in the order of creation."""
    found = Q(document__index__text__matches=folded)
    newest_first = Order((F("document__index__document"),), own_columns=(F("document__id"),))
    return Condition(
        found=found,
        checked=reduce(or_, (Q((f"{column}__contains", folded)) for column in _SEARCHED_COLUMNS)),
        walks={"created": Walk(lambda keys: keys.filter(found), newest_first, opposite=True)},
        counted=SearchIndex.objects.filter(text__matches=folded),
    )


def _on_postgresql(folded: str) -> Condition:
    """Use the index for rare text only, because it returns all its matches at once.

    Common text is soon found by walking the documents in the order of creation. The index returns documents
    that contain all trigrams, so each match is also compared with the text itself.
    """

    def walked(keys: Keys) -> Keys:
        return keys.filter(_holds("document__text", folded))

    last = SearchDocument.objects.order_by("pk").values("pk")[NEWEST - 1 : NEWEST]
    return Condition(
        found=Q(document__text__has_trigrams=folded, document__text__contains=folded),
        checked=reduce(or_, (Q(_holds(column, folded)) for column in _SEARCHED_COLUMNS)),
        walks={"created": Walk(walked, Order((F("document__id"),)), opposite=True, among_others=True)},
        counted=SearchDocument.objects.filter(_holds("text", folded), pk__lte=Subquery(last)),
        few=FEW_OF_NEWEST,
    )


def _holds(column: str, folded: str) -> GreaterThan:
    """Return a condition without LIKE, for which PostgreSQL may expect so few rows that it sorts all keys."""
    return GreaterThan(StrIndex(F(column), Value(folded)), 0)


_CONDITIONS = {"sqlite": _on_sqlite, "postgresql": _on_postgresql}
