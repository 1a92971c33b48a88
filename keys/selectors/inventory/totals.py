"""Count the keys that a filter finds, without reading more of them than a limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keys.selectors.counts import bounded_count
from keys.selectors.inventory.conditions import Condition, Keys

LIMIT = 10_000
EXAMINED = 2_000
"""Keys to check against further conditions, which takes about two milliseconds."""


@dataclass(frozen=True)
class Total:
    """At least ``count`` keys; that many if ``is_exact``."""

    count: int
    is_exact: bool

    @property
    def label(self) -> str:
        keys = f"{self.count:,} API key{'' if self.count == 1 else 's'}"
        if self.is_exact:
            return keys
        return f"more than {keys}" if self.count == LIMIT else f"at least {keys}"


def total(keys: Keys, conditions: Sequence[Condition]) -> Total:
    """Return the number of ``keys`` that meet all ``conditions``, or a lower bound if there are many."""
    few = next((condition for condition in conditions if condition.matches_few(keys)), None)
    if few is not None:
        checked = [condition.checked for condition in conditions if condition is not few]
        return Total(keys.filter(few.found, *checked).count(), is_exact=True)
    if not conditions:
        return _bounded(keys)
    [lead, *others] = _by_walk(conditions)
    if not lead.walks:  # several parts, of which the first stands for all
        return Total(total(keys, [lead.parts[0], *others]).count, is_exact=False)
    walk = next(iter(lead.walks.values()))
    rows = walk.rows(keys).filter(*walk.order.bounds(None)).order_by(*walk.order.terms())
    if not others and not walk.among_others:
        return _bounded(rows)
    examined = rows.values("pk")[:EXAMINED]
    met = keys.filter(
        *(condition.checked for condition in others), pk__in=list(examined.values_list("pk", flat=True))
    )
    return Total(met.count(), is_exact=False)


def _by_walk(conditions: Sequence[Condition]) -> list[Condition]:
    return sorted(conditions, key=lambda condition: not condition.walks)


def _bounded(rows: Keys) -> Total:
    count = bounded_count(rows, LIMIT)
    return Total(min(count, LIMIT), is_exact=count <= LIMIT)
