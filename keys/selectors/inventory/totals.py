"""Count the keys that a filter finds, without reading more of them than a limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keys.selectors.counts import bounded_count
from keys.selectors.inventory import conditions as filters
from keys.selectors.inventory.conditions import Condition, Keys

LIMIT = 10_000
EXAMINED = 200
"""Keys to check against further conditions, which takes about a millisecond."""


@dataclass(frozen=True)
class Total:
    """``count`` keys if ``is_exact``, else at least so many, or even more if ``is_exceeded``."""

    count: int
    is_exact: bool = False
    is_exceeded: bool = False

    @property
    def label(self) -> str:
        keys = f"{self.count:,} API key{'' if self.count == 1 else 's'}"
        return keys if self.is_exact else f"{'more than' if self.is_exceeded else 'at least'} {keys}"


def total(keys: Keys, conditions: Sequence[Condition]) -> Total:
    """Return the number of ``keys`` that meet all ``conditions``, or a lower bound if there are many."""
    few = next((condition for condition in conditions if condition.matches_few(keys)), None)
    if few is not None:
        checked = [condition.checked for condition in conditions if condition is not few]
        if few.parts and not checked:  # each part has an index with all that this needs
            found = [keys.filter(part.found).order_by().values("pk") for part in few.parts]
            return Total(found[0].union(*found[1:]).count(), is_exact=True)
        return Total(keys.filter(few.found, *checked).count(), is_exact=True)
    if not conditions:
        count = bounded_count(keys, LIMIT)
        return Total(min(count, LIMIT), is_exact=count <= LIMIT, is_exceeded=count > LIMIT)
    [lead, *others] = sorted(conditions, key=lambda condition: not condition.walks)
    if lead.parts:  # the first that many keys meet stands for all
        return Total(max(total(keys, [part, *others]).count for part in lead.parts))
    if lead.counted is None and not others:
        return Total(filters.FEW, is_exceeded=True)
    walk = next(iter(lead.walks.values()))
    rows = walk.rows(keys).filter(*walk.order.bounds(None)).order_by(*walk.order.terms())
    first = list(rows.values_list("pk", flat=True)[:EXAMINED])
    return Total(keys.filter(*(condition.checked for condition in others), pk__in=first).count())
