"""Match the rows of a pasted table with the inventory's keys, by name, creator and date of creation.

Names are not unique in Cerby. A row and a key are matched only if there is no other possibility; everything
else is ambiguous, and a person decides.
"""

from __future__ import annotations

import enum
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from uuid import UUID

from keys.models import ApiKey
from keys.rules import formatting
from keys.rules.folded_text import fold
from keys.rules.lifecycle import Phase, State
from keys.rules.pasted_cells import RowStatus
from keys.rules.pasted_table import Row

_DATE_IS_CERBYS = {ApiKey.Origin.GENERATED, ApiKey.Origin.PASTED, ApiKey.Origin.DISCOVERED}
"""Origins of keys whose date of creation is the one in Cerby. Of others, it may be the day of registering."""
_PASTED_WITHIN_DAYS = 1
MOST_PAIRS = 10_000
SHORTEST_NAME = 3
"""Characters of a name that is looked for within a longer text."""
MOST_CANDIDATES = 20

ANOTHER_DATE = "Name and creator fit, but Cerby shows another date of creation."
ANOTHER_EMAIL = "The name fits, but the portal knows the key's owner by another email."
SEVERAL = "Several rows or keys have this name, creator and date."
ENDED_HERE = "The inventory says that this key is removed. Delete it in Cerby, or register it as another key."
WAITS = "A request with this name waits for its key. Paste the key there, or cancel the request."


class Group(enum.StrEnum):
    CONFIRMED = "confirmed"
    MISSING_HERE = "missing-here"
    MISSING_THERE = "missing-there"
    REMOVED_THERE = "removed-there"
    AMBIGUOUS = "ambiguous"


@dataclass(frozen=True)
class KeyFacts:
    """The values of one of the inventory's keys that the comparison uses."""

    id: UUID
    name: str
    owner_id: int
    owner_name: str
    owner_email: str
    created_at: datetime
    created_known: bool
    expires_at: datetime
    origin: str
    state: str
    phase: int
    cerby_id: UUID | None
    seen_at: datetime | None
    seen_by: str | None

    @property
    def is_live(self) -> bool:
        return self.phase == Phase.LIVE


@dataclass(frozen=True)
class Pair:
    """A row with its key, or either of them alone. ``candidates``: the keys that an ambiguous row may be."""

    row: Row | None = None
    key: KeyFacts | None = None
    candidates: tuple[KeyFacts, ...] = ()
    note: str = ""


@dataclass
class Matches:
    """``settled``: rows and keys that are neither active there nor here."""

    groups: dict[Group, list[Pair]] = field(default_factory=lambda: {group: [] for group in Group})
    settled: int = 0

    def add(self, group: Group, pair: Pair) -> None:
        self.groups[group].append(pair)


def match(rows: Iterable[Row], keys: Sequence[KeyFacts], now: datetime) -> Matches:
    """Return every row and every live key in exactly one group, or counted as settled."""
    by_name: defaultdict[str, list[KeyFacts]] = defaultdict(list)
    for key in keys:
        by_name[fold(key.name)].append(key)
    rows_by_name: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        names = [fold(name) for name in (row.name, *row.other_names)]
        rows_by_name[next((name for name in names if name in by_name), names[0])].append(row)
    found = Matches()
    for name in [*rows_by_name, *(name for name in by_name if name not in rows_by_name)]:
        _SameName(rows_by_name.get(name, []), by_name.get(name, []), now, found).match()
    for pairs in found.groups.values():
        pairs.sort(key=lambda pair: pair.row.line if pair.row else 0)
    return found


class _SameName:
    """The rows and keys with one name, while they are matched."""

    def __init__(self, rows: Sequence[Row], keys: Sequence[KeyFacts], now: datetime, found: Matches) -> None:
        self.rows, self.now, self.found = list(rows), now, found
        self.live = [key for key in keys if key.is_live]
        self.others = [key for key in keys if not key.is_live]
        self.taken: set[UUID] = set()
        self.shared: set[UUID] = set()
        self.fitting = {id(row): [key for key in self.live if _fits(row, key)] for row in rows}

    def match(self) -> None:
        if len(self.rows) * len(self.live) > MOST_PAIRS:
            self._leave_to_people()
            return
        for days in (0, 1):
            self._match_unique(partial(_is_near, days=days))
        ended = [row for row in self.rows if row.status is not RowStatus.ACTIVE]
        self.rows = [row for row in self.rows if row.status is RowStatus.ACTIVE]
        self._match_unique(_is_plausible)
        for row in self.rows:
            self._sort_out(row)
        self.rows = ended
        self._match_unique(_is_plausible)
        for row in self.rows:
            self._sort_out_ended(row)
        for key in self._free(self.live):
            if key.expires_at > self.now:
                self.found.add(Group.MISSING_THERE, Pair(key=key))
            else:
                self.found.settled += 1

    def _leave_to_people(self) -> None:
        """Don't compare very many rows and keys with one name, because the time grows with their product."""
        few = tuple(self.live[:MOST_CANDIDATES])
        for row in self.rows:
            self.found.add(Group.AMBIGUOUS, Pair(row, candidates=few, note=SEVERAL))

    def _match_unique(self, agree: Callable[[Row, KeyFacts], bool]) -> None:
        """Pair rows and keys that agree with nothing else, as long as that leaves further such pairs."""
        changed = True
        while changed and self.rows:
            changed = False
            pairs = [
                (row, key)
                for row in self.rows
                for key in self._free(self.fitting[id(row)])
                if agree(row, key)
            ]
            rows_of, keys_of = defaultdict[UUID, int](int), defaultdict[int, int](int)
            for row, key in pairs:
                rows_of[key.id] += 1
                keys_of[id(row)] += 1
            for row, key in pairs:
                if rows_of[key.id] == keys_of[id(row)] == 1:
                    self._pair(row, key)
                    changed = True

    def _free(self, keys: Iterable[KeyFacts]) -> list[KeyFacts]:
        return [key for key in keys if key.id not in self.taken]

    def _pair(self, row: Row, key: KeyFacts) -> None:
        self.taken.add(key.id)
        self.rows = [one for one in self.rows if one is not row]
        expired_here = key.expires_at <= self.now
        if row.status is RowStatus.ACTIVE:
            note = (
                "The inventory says that it has expired. Look its expiry up in Cerby." if expired_here else ""
            )
            self.found.add(Group.CONFIRMED, Pair(row, key, note=note))
        elif expired_here:
            self.found.settled += 1
        else:
            self.found.add(Group.REMOVED_THERE, Pair(row, key))

    def _sort_out(self, row: Row) -> None:
        """Put an active row that has no single key into a group."""
        candidates, note = self._candidates(row)
        if not candidates:
            self.found.add(Group.MISSING_HERE, Pair(row))
            return
        self.found.add(Group.AMBIGUOUS, Pair(row, candidates=tuple(candidates[:MOST_CANDIDATES]), note=note))

    def _candidates(self, row: Row) -> tuple[list[KeyFacts], str]:
        fitting = [key for key in self.fitting[id(row)] if key.id not in self.taken or key.id in self.shared]
        if fitting:
            self.shared |= {key.id for key in fitting}
            self.taken |= self.shared
            return fitting, SEVERAL if any(_is_plausible(row, key) for key in fitting) else ANOTHER_DATE
        weak = [key for key in self._free(self.live) if row.by and _has_name(row, key.owner_name)]
        if weak:
            self.taken |= {key.id for key in weak}
            return weak, ANOTHER_EMAIL
        waiting = [key for key in self.others if key.phase == Phase.PENDING and _fits(row, key)]
        if waiting:
            return waiting, WAITS
        ended = [
            key
            for key in self.others
            if key.phase == Phase.REMOVED
            and _fits(row, key)
            and (row.created is None or _is_near(row, key, 1))
        ]
        return ended, ENDED_HERE

    def _sort_out_ended(self, row: Row) -> None:
        fitting = self._free(self.fitting[id(row)])
        if fitting:
            self.taken |= {key.id for key in fitting}
            note = SEVERAL if any(_is_plausible(row, key) for key in fitting) else ANOTHER_DATE
            self.found.add(Group.AMBIGUOUS, Pair(row, candidates=tuple(fitting[:MOST_CANDIDATES]), note=note))
            return
        revoking = [key for key in self._free(self.others) if key.state == State.REVOKING and _fits(row, key)]
        if len(revoking) == 1:
            self.taken.add(revoking[0].id)
            self.found.add(Group.REMOVED_THERE, Pair(row, revoking[0]))
        else:
            self.found.settled += 1


def _fits(row: Row, key: KeyFacts) -> bool:
    """Return whether the row's creator is the key's owner. A row without a creator fits every key."""
    if row.email:
        return row.email == key.owner_email.casefold()
    return not row.by or _has_name(row, key.owner_name)


def _has_name(row: Row, name: str) -> bool:
    return names_person(row.by, fold(name))


def names_person(by: Sequence[str], name: str) -> bool:
    """Return whether the lines ``by`` name a person, perhaps beside initials. ``name`` is folded."""
    lines = [fold(line) for line in by]
    joined = " ".join(lines)
    if name in {*lines, joined}:
        return True
    return len(name) >= SHORTEST_NAME and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", joined) is not None


def _days_later(row: Row, key: KeyFacts) -> int:
    """Return by how many days Cerby's date of creation is later than the inventory's."""
    assert row.created is not None
    return (row.created.day - formatting.in_local_time(key.created_at).date()).days


def _is_near(row: Row, key: KeyFacts, days: int) -> bool:
    if row.created is None:
        return False
    give = row.created.give + days
    pasted = _PASTED_WITHIN_DAYS if key.origin == ApiKey.Origin.PASTED else 0
    return -give <= _days_later(row, key) <= give + pasted * days


def _is_plausible(row: Row, key: KeyFacts) -> bool:
    """Return whether the dates don't contradict each other. No key is registered before it is created."""
    if row.created is None or _is_near(row, key, 1):
        return True
    return key.origin not in _DATE_IS_CERBYS and _days_later(row, key) < 0
