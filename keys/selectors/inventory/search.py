"""Search for words in the text of each key with a trigram index, which database triggers maintain."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Exists, F, Lookup, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import StrIndex
from django.db.models.lookups import GreaterThan

from keys.models import ApiKey, SearchDocument, SearchIndex
from keys.rules.folded_text import fold
from keys.selectors.inventory.conditions import Condition, Keys, Walk
from keys.selectors.inventory.keyset import Order

SHORTEST = 2
"""Characters that at least one word must have."""
_TRIGRAM = 3

Needle = tuple[str, ...]

NEWEST, FEW_OF_NEWEST = 2_000, 2
"""Text is rare if at most 2 of the newest 2,000 documents contain it, which takes 0.5 ms to find out."""

_PUNCTUATION = str.maketrans(dict.fromkeys("-_.@:/,;()[]", " "))
"""These characters are spaces in the documents (migration 0017)."""
_START_OF_AN_ID = re.compile(r"[0-9a-f]{8}[0-9a-f-]{0,28}")
_MOST_IDS = 50


class Matches(Lookup):
    """``text MATCH '("abc" OR "def")'``: SQLite's FTS5 searches its index for the trigrams of each text."""

    lookup_name = "matches"

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


def is_long_enough(text: str) -> bool:
    return any(len(word) >= SHORTEST for word in _words(text))


def containing(text: str) -> Condition:
    """Return the condition for keys that contain every word of ``text``.

    They are searched for in the key's name, owner, purpose, team, system, tags, scopes and last four
    characters, ignoring case and punctuation. A word of one or two letters must be the start of a word, in
    scripts with spaces. A text that is the start of a key's id, or of its id in Cerby, finds that key.
    """
    ids = _ids_starting_with(text.strip().lower())
    if ids:
        return Condition(found=Q(pk__in=ids), checked=Q(pk__in=ids))
    return _CONDITIONS[connection.vendor]([_needle(word) for word in _words(text)])


def _words(text: str) -> list[str]:
    """Return each word of ``text`` once. Punctuation within a word is replaced by spaces."""
    words = (word.translate(_PUNCTUATION).strip() for word in fold(text).split())
    return list(dict.fromkeys(word for word in words if word))


def _needle(word: str) -> Needle:
    """Return the texts of which one must occur. The name of a key is also there without its spaces."""
    if len(word) < _TRIGRAM:
        return (f" {word}",)
    return tuple(dict.fromkeys((word, word.replace(" ", ""))))


def _is_indexed(needle: Needle) -> bool:
    return len(needle[0]) >= _TRIGRAM


def _query(needles: Sequence[Needle]) -> str:
    """Return a query for FTS5, in which a quotation mark is doubled."""
    return " AND ".join(
        "(" + " OR ".join('"' + text.replace('"', '""') + '"' for text in needle) + ")" for needle in needles
    )


def _ids_starting_with(text: str) -> list[UUID]:
    digits = text.replace("-", "")
    if not _START_OF_AN_ID.fullmatch(text) or len(digits) > 32:  # noqa: PLR2004 - digits of a UUID
        return []
    span = UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
    found = (ApiKey.objects.filter((f"{column}__range", span)) for column in ("pk", "cerby_id"))
    return [pk for keys in found for pk in keys.values_list("pk", flat=True)[:_MOST_IDS]]


def _on_sqlite(needles: Sequence[Needle]) -> Condition:
    """Use the index for any text: it returns its matches one by one, in the order of creation."""
    indexed = _query([needle for needle in needles if _is_indexed(needle)])
    others = _hold("document__text", [needle for needle in needles if not _is_indexed(needle)])
    found = Q(*others, document__index__text__matches=indexed)
    newest_first = Order((F("document__index__document"),), own_columns=(F("document__id"),))
    return Condition(
        found=found,
        checked=_checked(needles),
        walks={"created": Walk(lambda keys: keys.filter(found), newest_first, opposite=True)},
        counted=None if others else SearchIndex.objects.filter(text__matches=indexed),
    )


def _on_postgresql(needles: Sequence[Needle]) -> Condition:
    """Use the index for rare text only, because it returns all its matches at once.

    Common text is soon found by walking the documents in the order of creation. The index returns documents
    that contain all trigrams, so each match is also compared with the text itself.
    """

    def walked(keys: Keys) -> Keys:
        return keys.filter(*_hold("document__text", needles))

    last = SearchDocument.objects.order_by("pk").values("pk")[NEWEST - 1 : NEWEST]
    return Condition(
        found=Q(*map(_found_by_trigrams, needles)),
        checked=_checked(needles),
        walks={"created": Walk(walked, Order((F("document__id"),)), opposite=True, among_others=True)},
        counted=SearchDocument.objects.filter(*_hold("text", needles), pk__lte=Subquery(last)),
        few=FEW_OF_NEWEST,
    )


def _found_by_trigrams(needle: Needle) -> Q:
    if not _is_indexed(needle):
        return Q(document__text__contains=needle[0])
    texts = (Q(document__text__has_trigrams=text, document__text__contains=text) for text in needle)
    return reduce(or_, texts)


def _checked(needles: Sequence[Needle]) -> Q:
    """Return a condition that reads the document of one key at a time."""
    own: QuerySet[SearchDocument] = SearchDocument.objects.filter(key=OuterRef("pk"))
    return Q(Exists(own.filter(*_hold("text", needles))))


def _hold(column: str, needles: Sequence[Needle]) -> list[Q]:
    """Return conditions without LIKE, for which PostgreSQL may expect so few rows that it sorts all keys."""
    return [
        reduce(or_, (Q(GreaterThan(StrIndex(F(column), Value(text)), 0)) for text in needle))
        for needle in needles
    ]


_CONDITIONS = {"sqlite": _on_sqlite, "postgresql": _on_postgresql}
