"""Return the teams and systems whose keys can be stopped in an emergency, with the number of their keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from django.utils import timezone

from keys.models import LISTED, ApiKey
from keys.rules.lifecycle import Phase
from keys.selectors.counts import bounded_count, count_label

SHOWN = 12
"""Names of each kind. Others are found by typing."""
LOOKED_AT = 40
"""Names that are read from the index, because some may have no active keys."""


class Group(NamedTuple):
    """``by``: team or system. ``keys``: the number of its active keys, in words."""

    by: str
    name: str
    keys: str


def groups() -> list[Group]:
    """Return up to ``SHOWN`` teams and as many systems, in alphabetical order."""
    return [*_of("team"), *_of("system")]


def _of(column: str) -> list[Group]:
    found: list[Group] = []
    for folded, name in _names(column):
        keys = ApiKey.objects.filter(
            LISTED, phase=Phase.LIVE, expires_at__gt=timezone.now(), **{f"{column}_order": folded}
        )
        count = bounded_count(keys)
        if count:
            found.append(Group(column, name, count_label(count)))
        if len(found) == SHOWN:
            break
    return found


def _names(column: str) -> Iterator[tuple[str, str]]:
    """Yield distinct names, each from one lookup in the index of the column."""
    last = ""
    for _ in range(LOOKED_AT):
        keys = ApiKey.objects.filter(LISTED, **{f"{column}_order__gt": last}).order_by(f"{column}_order")
        found = keys.values_list(f"{column}_order", column).first()
        if found is None:
            return
        last = found[0]
        yield found
