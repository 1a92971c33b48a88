"""Substring search over names and owners: an FTS5 trigram index, kept by database triggers."""

from __future__ import annotations

import re
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import F, Lookup, Q, QuerySet

from keys.models import SearchIndex
from keys.selectors.conditions import Condition, Walk
from keys.selectors.keyset import Order

SHORTEST = 3
"""A trigram index knows nothing shorter."""

_LOOKED_THROUGH = ("name", "owner_name", "owner_email")


class Matches(Lookup):
    """``text MATCH '"abc"'``: FTS5 looks the phrase of the text's trigrams up in its index."""

    lookup_name = "matches"

    def get_prep_lookup(self) -> str:
        return '"' + str(self.rhs).replace('"', '""') + '"'

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        text, text_params = self.process_lhs(compiler, connection)
        phrase, phrase_params = self.process_rhs(compiler, connection)
        return f"{text} MATCH {phrase}", (*text_params, *phrase_params)


SearchIndex._meta.get_field("text").register_lookup(Matches)  # noqa: SLF001 - documented by Django


def containing(text: str) -> Condition:
    """Keys whose name, or whose owner's name or e-mail, contains ``text`` in any case.

    The index gives out its matches in the order of creation, one by one, however many there are.
    """
    return Condition(
        found=Q(document__index__text__matches=text),
        checked=_compared(text),
        walks={
            "created": Walk(
                lambda keys: matching(keys, text),
                Order((F("document__index__document"),), read_from=(F("document__id"),)),
                opposite=True,
            )
        },
        counted=SearchIndex.objects.filter(text__matches=text),
    )


def matching(keys: QuerySet[Any, Any], text: str) -> QuerySet[Any, Any]:
    return keys.filter(document__index__text__matches=text)


def _compared(text: str) -> Q:
    # SQLite's LIKE knows the case of ASCII letters only; the trigram index knows that of all.
    lookup, value = ("icontains", text) if text.isascii() else ("iregex", re.escape(text))
    return reduce(or_, (Q((f"{column}__{lookup}", value)) for column in _LOOKED_THROUGH))
