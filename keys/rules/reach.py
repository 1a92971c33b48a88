"""Say in words how many items a key can open: its scopes, times the items that its owner owns."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from keys.rules.scopes import in_order, label


class Items(enum.StrEnum):
    """The lists of a person's items. Cerby names them in its changelog, without their attributes."""

    SECRETS = "secrets"
    ACCOUNTS = "accounts"
    COLLECTIONS = "collections"
    TEAMS = "teams"


OPENED_BY: dict[Items, frozenset[str]] = {
    Items.SECRETS: frozenset({"read:items", "read:items:secrets", "write:items:secrets"}),
    Items.ACCOUNTS: frozenset({"read:items", "read:items:accounts", "write:items:accounts"}),
    Items.COLLECTIONS: frozenset({"read:items", "write:collections"}),
}
"""The scopes that open the items of a key's owner. A team is none: Cerby shows teams to admins alone."""

MOST_ITEMS = 2_000
"""Items of one list that the portal reads. A longer list counts as this many "or more"."""

Counts = Mapping[Items, int | None]
"""The number of items of each list, or None if Cerby did not tell."""


@dataclass(frozen=True)
class ReachInWords:
    """``lines``: a sentence for each group of scopes that open the same lists.

    ``others``: the labels of the scopes that are not about items of the owner.
    """

    lines: list[str]
    others: list[str]


def lists_opened(scopes: Iterable[str]) -> list[Items]:
    """Return the lists whose items one of ``scopes`` opens."""
    given = set(scopes)
    return [items for items, openers in OPENED_BY.items() if openers & given]


def in_words(scopes: Iterable[str], counts: Counts, owner: str) -> ReachInWords:
    """Return the reach of a key with ``scopes`` that acts as ``owner`` (a name)."""
    groups: dict[tuple[Items, ...], list[str]] = {}
    for scope in in_order(scopes):
        groups.setdefault(tuple(lists_opened([scope])), []).append(label(scope))
    others = groups.pop((), [])
    lines = [
        f"With {_listed(labels)}, as {owner}: {amounts(lists, counts)}" for lists, labels in groups.items()
    ]
    return ReachInWords(lines, others)


def amounts(lists: Iterable[Items], counts: Counts) -> str:
    """Return the numbers in words, such as "up to 14 secrets, 3 accounts"."""
    opened = list(lists)
    known = {items: count for items in opened if (count := counts.get(items)) is not None}
    long = [f"{MOST_ITEMS:,} or more {items.value}" for items, count in known.items() if count >= MOST_ITEMS]
    exact = [_amount(items, count) for items, count in known.items() if count < MOST_ITEMS]
    unknown = [f"{items.value} not known" for items in opened if items not in known]
    return ", ".join([*long, *([f"up to {', '.join(exact)}"] if exact else []), *unknown])


def _amount(items: Items, count: int) -> str:
    return f"{count:,} {items.value if count != 1 else items.value.removesuffix('s')}"


def growth_in_words(grown: Mapping[Items, int]) -> str:
    """Return the new items in words, such as "3 secrets, 1 account"."""
    return ", ".join(_amount(items, count) for items, count in grown.items() if count)


def _listed(labels: list[str]) -> str:
    *first, last = labels
    return f"{', '.join(first)} and {last}" if first else last
