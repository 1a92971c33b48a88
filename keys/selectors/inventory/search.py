"""Substring search over names and owners: an index of trigrams, kept by database triggers."""

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
"""A trigram index knows nothing shorter."""

NEWEST, FEW_OF_NEWEST = 2_000, 2
"""So many documents are read in half a millisecond. Text that is in two of them at most is taken for rare."""

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


def containing(text: str) -> Condition:
    """Keys whose name, or whose owner's name or e-mail, contains ``text`` in any case."""
    return _CONDITIONS[connection.vendor](fold(text))


def _on_sqlite(folded: str) -> Condition:
    """The index gives out its matches in the order of creation, one by one, however many there are."""
    found = Q(document__index__text__matches=folded)
    newest_first = Order((F("document__index__document"),), read_from=(F("document__id"),))
    return Condition(
        found=found,
        checked=reduce(or_, (Q((f"{column}__contains", folded)) for column in _LOOKED_THROUGH)),
        walks={"created": Walk(lambda keys: keys.filter(found), newest_first, opposite=True)},
        counted=SearchIndex.objects.filter(text__matches=folded),
    )


def _on_postgresql(folded: str) -> Condition:
    """The index finds its matches all together: for text that is common among the newest, it is not asked.

    It knows which documents have all the trigrams; whether these are the text, a look tells. Common text is
    met soon on a walk through the documents, which stand in the order of creation.
    """

    def walked(keys: Keys) -> Keys:
        return keys.filter(_holds("document__text", folded))

    last = SearchDocument.objects.order_by("pk").values("pk")[NEWEST - 1 : NEWEST]
    return Condition(
        found=Q(document__text__has_trigrams=folded, document__text__contains=folded),
        checked=reduce(or_, (Q(_holds(column, folded)) for column in _LOOKED_THROUGH)),
        walks={"created": Walk(walked, Order((F("document__id"),)), opposite=True, among_others=True)},
        counted=SearchDocument.objects.filter(_holds("text", folded), pk__lte=Subquery(last)),
        few=FEW_OF_NEWEST,
    )


def _holds(column: str, folded: str) -> GreaterThan:
    """PostgreSQL may expect so little of LIKE that it would read and sort all keys instead of walking."""
    return GreaterThan(StrIndex(F(column), Value(folded)), 0)


_CONDITIONS = {"sqlite": _on_sqlite, "postgresql": _on_postgresql}
