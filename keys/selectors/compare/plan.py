"""Compare a pasted table with the inventory, without changing anything."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from keys.audit.guard import authorize
from keys.models import LISTED, ApiKey
from keys.rules.batches import batches
from keys.rules.errors import Invalid
from keys.rules.folded_text import fold
from keys.rules.key_text import WITHHELD, redacted, without_keys
from keys.rules.lifecycle import Phase
from keys.rules.pasted_cells import clean
from keys.rules.pasted_dates import DayOrder
from keys.rules.pasted_table import Row, Table, Unreadable, read_table
from keys.rules.permissions import Action, Actor
from keys.selectors.compare.matching import Group, KeyFacts, Pair, match
from keys.selectors.compare.people import Directory, Person, directory
from keys.validation.existing_key import check_existing_name

AT_ONCE = 500
MOST_KEYS = 10_000
"""Live keys up to which the portal can say which of them the table lacks."""
NO_TABLE = (
    "The portal finds no table of API keys in this text. Select the table in Cerby's web app from its first "
    "row to its last, copy it, and paste it here. Each row needs a name, a date, a person and a status."
)
MAY_BE_A_KEY = "It has text that may be an API key, which the portal has not kept."
LOOKS_LIKE_A_KEY = "Its name looks like an API key, so the portal has not read it from the table."
IN_AN_UNREAD_LINE = "A line that could not be read has this name."
BY_CERBY = "The portal reads this key's status from Cerby itself, so nobody has to declare it."

_COLUMNS = (
    *("id", "name", "owner_id", "owner_name", "owner_email", "created_at"),
    *("created_known", "expires_at", "origin", "state", "phase", "cerby_id", "seen_at", "seen_by__name"),
)


@dataclass(frozen=True)
class Paste:
    """The pasted text without possible keys, and what the person said about it."""

    text: str
    whole: bool = False
    order: DayOrder | None = None


@dataclass(frozen=True)
class Item:
    """One line of a group. ``problem``: why confirming the group leaves it out, or an empty string.

    ``owner``: the person whom a key that is missing here gets as its owner.
    """

    pair: Pair
    owner: Person | None = None
    problem: str = ""

    @property
    def number(self) -> int:
        return self.pair.row.line if self.pair.row else 0

    @property
    def names(self) -> set[str]:
        """Return the folded names that its key has or may have."""
        row, key = self.pair.row, self.pair.key
        return _names([row]) if row else {fold(key.name)} if key else set()


@dataclass(frozen=True)
class Plan:
    """``settled``: keys that are active neither there nor here. ``too_many``: there are too many live keys
    to say which of them the table lacks.
    """

    table: Table
    groups: dict[Group, list[Item]]
    settled: int
    whole: bool
    too_many: bool

    @cached_property
    def rows_by_name(self) -> dict[str, list[Row]]:
        found: dict[str, list[Row]] = {}
        for row in self.table.rows:
            for name in _names([row]):
                found.setdefault(name, []).append(row)
        return found

    def doable(self, group: Group) -> list[Item]:
        return [item for item in self.groups[group] if not item.problem]

    def digest(self, group: Group) -> str:
        """Return a hash of all that the page says about ``group``, to find out if the answer has changed."""
        facts = [self.whole, [_facts(item) for item in self.groups[group]]]
        return hashlib.sha256(json.dumps(facts, default=str).encode()).hexdigest()


def _facts(item: Item) -> list[Any]:
    row, key = item.pair.row, item.pair.key
    return [
        [row.line, row.name, row.created and row.created.day, row.by, row.status] if row else None,
        [_key_facts(one) for one in ((key,) if key else item.pair.candidates)],
        item.owner.email if item.owner else "",
        item.problem,
    ]


def _key_facts(key: KeyFacts) -> list[Any]:
    return [key.id, key.name, key.owner_id, key.state, key.seen_at]


@sensitive_variables()
def cleaned(text: str) -> tuple[str, int]:
    """Return ``text`` as it may be shown and sent back, and how many words were withheld as possible keys."""
    safe = _without_keys(clean(text))
    return safe, safe.count(WITHHELD)


@sensitive_variables()
def _without_keys(text: str) -> str:
    return redacted(without_keys(text))


def read_paste(paste: Paste) -> Table:
    """Return the table. Raise ``Invalid`` for the field ``text`` if there is none or it is too long."""
    table = read_table(paste.text, timezone.localdate(), paste.order)
    if not table.rows and not table.asks_order:
        raise Invalid(text=NO_TABLE)
    return _without_withheld(table)


def _without_withheld(table: Table) -> Table:
    """Report rows in which a possible key was withheld as unreadable."""
    rows: list[Row] = []
    unreadable: list[Unreadable] = []
    for row in table.rows:
        if WITHHELD in f"{row.name} {' '.join(row.by)}":
            unreadable.append(Unreadable(row.line, row.name, MAY_BE_A_KEY))
        else:
            rows.append(row)
    return replace(table, rows=rows, unreadable=unreadable + table.unreadable)


def comparison(actor: Actor, paste: Paste) -> Plan:
    """Return the comparison. Raise ``NotAllowed``, or ``Invalid`` if there is no table."""
    authorize(actor, Action.SEE_INVENTORY)
    table = read_paste(paste)
    return plan_with(table, directory(table.rows), whole=paste.whole, now=timezone.now())


def plan_with(table: Table, people: Directory, *, whole: bool, now: datetime) -> Plan:
    """Return the comparison with the inventory as it is now. Asks nobody but the database."""
    keys, too_many = _keys(table.rows)
    whole = whole and not too_many and not table.is_incomplete and not table.more_unreadable
    groups, settled = _groups(table, people, keys, whole=whole, now=now)
    return Plan(table, groups, settled, whole, too_many)


def still_true(
    plan: Plan, group: Group, items: Sequence[Item], people: Directory, now: datetime
) -> list[Item]:
    """Return those of ``items`` about which a comparison with the inventory as it is now says the same.

    It compares only the rows and keys with their names, so it takes as long as they are many.
    """
    names = {name for item in items for name in item.names}
    rows = {id(row): row for name in names for row in plan.rows_by_name.get(name, ())}
    table = replace(plan.table, rows=sorted(rows.values(), key=lambda row: row.line))
    keys = _named_keys(names | _names(table.rows)).values()
    groups, _ = _groups(table, people, keys, whole=plan.whole, now=now)
    facts = {str(_facts(item)) for item in groups[group]}
    return [item for item in items if str(_facts(item)) in facts]


def _groups(
    table: Table, people: Directory, keys: Iterable[KeyFacts], *, whole: bool, now: datetime
) -> tuple[dict[Group, list[Item]], int]:
    in_order = sorted(keys, key=lambda key: (key.expires_at, key.id))  # the same for some names as for all
    matches = match(table.rows, in_order, now)
    groups = {
        group: [_item(group, pair, people) for pair in pairs] for group, pairs in matches.groups.items()
    }
    missing = groups[Group.MISSING_THERE]
    groups[Group.MISSING_THERE] = _without_unread(missing, table.unreadable) if whole else []
    return groups, matches.settled


def _without_unread(items: list[Item], unreadable: list[Unreadable]) -> list[Item]:
    """Leave out keys that may be in the table after all: in an unread line, or with a withheld name."""
    lines = [fold(line.text) for line in unreadable]
    return [
        replace(item, problem=item.problem or _maybe_there(item.pair.key, lines)) if item.pair.key else item
        for item in items
    ]


def _maybe_there(key: KeyFacts, lines: list[str]) -> str:
    if _without_keys(key.name) != key.name:
        return LOOKS_LIKE_A_KEY
    name = fold(key.name)
    return IN_AN_UNREAD_LINE if any(name in line for line in lines) else ""


def _item(group: Group, pair: Pair, people: Directory) -> Item:
    if group is Group.MISSING_HERE:
        assert pair.row is not None  # rows are missing here, not keys
        owner, problem = people.find(pair.row)
        return Item(pair, owner, problem or _name_problem(pair.row))
    if group in {Group.REMOVED_THERE, Group.MISSING_THERE} and pair.key and not is_by_hand(pair.key):
        return Item(pair, problem=BY_CERBY)
    return Item(pair)


def is_by_hand(key: KeyFacts) -> bool:
    """Return whether only people know the key's state in Cerby (see ``ApiKey.is_deleted_by_hand``)."""
    return key.cerby_id is None or settings.CERBY_ISSUE_MODE == "assisted"


def _name_problem(row: Row) -> str:
    try:
        check_existing_name(row.name)
    except Invalid as invalid:
        return " ".join(invalid.fields.values())
    return ""


def _keys(rows: Iterable[Row]) -> tuple[list[KeyFacts], bool]:
    """Return the live keys, and others with the rows' names; and whether there are too many live keys."""
    live = ApiKey.objects.filter(LISTED, phase=Phase.LIVE).values_list(*_COLUMNS)
    first = list(live.order_by("expires_at", "id")[: MOST_KEYS + 1])
    too_many = len(first) > MOST_KEYS
    found = {} if too_many else {values[0]: KeyFacts(*values) for values in first}
    return list((found | _named_keys(_names(rows))).values()), too_many


def _named_keys(names: Iterable[str]) -> dict[UUID, KeyFacts]:
    found: dict[UUID, KeyFacts] = {}
    for batch in batches(sorted(names), AT_ONCE):
        named = ApiKey.objects.filter(LISTED, name_order__in=batch).values_list(*_COLUMNS)
        found |= {values[0]: KeyFacts(*values) for values in named}
    return found


def _names(rows: Iterable[Row]) -> set[str]:
    return {fold(name) for name in {name for row in rows for name in (row.name, *row.other_names)}}
