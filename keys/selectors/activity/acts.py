"""Fold the events of one act, such as the steps in which a key is generated, into one line of a page.

Events belong together if they have the same "part_of" or "import", if they are steps to generate or to delete
the same key, or if they are the start and the end of one person's change of a key's scopes. Refused attempts
are shown one by one, unless they are part of an act on several keys.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from keys.rules.events import Event
from keys.selectors.activity.row import EventRow

GENERATING = {
    Event.KEY_REQUESTED: "requested",
    Event.KEY_CALLED: "",
    Event.KEY_AWAITED: "",
    Event.KEY_ISSUED: "generated",
    Event.KEY_ANSWER_LOST: "lost with Cerby's answer",
    Event.KEY_LOOKED_UP: "looked up in Cerby",
    Event.KEY_CANCELLED: "cancelled",
    Event.KEY_PASTED: "pasted",
    Event.KEY_REVEALED: "viewed",
    Event.KEY_SAVE_STARTED: "",
    Event.KEY_STORED: "stored",
}
"""The steps in which a key is generated, with the word for each that is worth one."""
DELETING = {Event.KEY_DELETION_STARTED, Event.KEY_DELETED, Event.KEY_REMOVAL_CONFIRMED}
RESCOPING = {Event.KEY_RESCOPE_STARTED, Event.KEY_RESCOPED}
OF_ONE_KEY = sorted({*GENERATING, *DELETING, *RESCOPING})
_BEGINS = {Event.KEY_REQUESTED, Event.KEY_DELETION_STARTED, Event.KEY_RESCOPE_STARTED}

_DONE_TO_KEYS = {
    Event.KEY_WITHDRAWN: "withdrawn",
    Event.KEY_REMOVAL_DECLARED: "declared as removed",
    Event.KEY_DELETED: "deleted",
    Event.KEY_REMOVAL_CONFIRMED: "confirmed as deleted",
    Event.KEY_CANCELLED: "cancelled",
    Event.KEY_ADOPTED: "adopted",
    Event.KEY_REGISTERED: "registered",
    Event.KEY_EDITED: "edited",
    Event.ROTATION_ASKED: "asked to be rotated",
    Event.ROTATION_TASK_WITHDRAWN: "no longer asked to be rotated",
    Event.KEY_REMINDED: "named in a reminder to its owner",
    Event.KEY_CONFIRMED: "confirmed",
    Event.KEY_DELETION_STARTED: "to be deleted in Cerby's web app",
    Event.ATTEMPT_REFUSED: "refused",
}
"""What an act on several keys did to one of them, by the first of these events that the key has."""
_RANK = {kind: rank for rank, kind in enumerate(_DONE_TO_KEYS)}
_OF_AN_IMPORT = {Event.KEY_REGISTERED, Event.KEY_WITHDRAWN}
PARTLY = "partly done"


class Step(NamedTuple):
    """The values of an event that say to which act it belongs. ``details`` are in clear."""

    id: int
    type: str
    outcome: str
    who_id: int | None
    key_id: UUID | None
    at: datetime
    details: dict[str, Any]

    @property
    def place(self) -> tuple[datetime, int]:
        return self.at, self.id


class Shown(NamedTuple):
    """One act as a line. ``row`` is the newest of its events, ``people`` are those who took part.

    ``steps``: all its events on this page, newest first. ``continues``: where its other events are, or empty.
    """

    row: EventRow
    what: str
    outcome: str
    keys: int
    people: list[EventRow]
    steps: list[EventRow]
    counted: str
    continues: str

    @property
    def is_folded(self) -> bool:
        return len(self.steps) > 1

    @property
    def tag(self) -> str:
        """Return the outcome if it is not done and the words do not say it."""
        return self.row.tag if self.what == self.row.label else "" if self.outcome == "done" else self.outcome


@dataclass(frozen=True)
class Around:
    """Events of the same filter that are not on the page: newer and older ones, each newest first."""

    newer: Sequence[Step] = ()
    older: Sequence[Step] = ()


EARLIER = "Continues: its earlier events are on the pages after this one."
LATER = "Continues: its later events are on the pages before this one."
BOTH = "Continues: its other events are on the pages before and after this one."


def acts(rows: Sequence[EventRow], steps: Sequence[Step], around: Around) -> list[Shown]:
    """Return the acts of a page's ``rows``, newest first. ``steps`` has one step for each row."""
    everything = [*around.newer, *steps, *around.older]
    of = _assign(reversed(everything))
    newer, older = ({of[step.id] for step in side} for side in (around.newer, around.older))
    places: dict[Hashable, list[int]] = {}
    for place, step in enumerate(steps):
        places.setdefault(of[step.id], []).append(place)
    return [
        _shown(
            [rows[place] for place in found],
            [steps[place] for place in found],
            later=act in newer,
            earlier=act in older or _lacks_its_beginning(act, [steps[place] for place in found]),
        )
        for act, found in places.items()
    ]


def unfolded(rows: Sequence[EventRow]) -> list[Shown]:
    """Return a line for each event."""
    return [Shown(row, row.label, row.outcome, 1, [row], [row], "", "") for row in rows]


def act_id(step: Step) -> str:
    """Return the id that the events of an act on several keys share, or an empty string."""
    of_import = step.details.get("import") if step.type in _OF_AN_IMPORT else None
    found = step.details.get("part_of") or (f"{step.type} {of_import}" if of_import else "")
    return str(found)


def _assign(oldest_first: Iterable[Step]) -> dict[int, Hashable]:
    """Return the act of each event. A change of scopes ends with the next result for its key and person."""
    of: dict[int, Hashable] = {}
    open_changes: dict[tuple[UUID | None, int | None], Hashable] = {}
    for step in oldest_first:
        change = (step.key_id, step.who_id)
        if act_id(step):
            of[step.id] = act_id(step)
        elif step.outcome == "refused" or step.key_id is None:
            of[step.id] = step.id
        elif step.type == Event.KEY_RESCOPE_STARTED:
            of[step.id] = open_changes[change] = ("rescope", step.id)
        elif step.type == Event.KEY_RESCOPED:
            of[step.id] = open_changes.pop(change, ("rescope", step.id))
        elif step.type in GENERATING:
            of[step.id] = ("generate", step.key_id)
        elif step.type in DELETING:
            of[step.id] = ("delete", step.key_id)
        else:
            of[step.id] = step.id
    return of


def _lacks_its_beginning(act: Hashable, steps: Sequence[Step]) -> bool:
    """Return whether an act on one key has steps here, but not its first one."""
    return isinstance(act, tuple) and len(steps) > 1 and not any(step.type in _BEGINS for step in steps)


def _shown(rows: list[EventRow], steps: list[Step], *, later: bool, earlier: bool) -> Shown:
    continues = BOTH if later and earlier else LATER if later else EARLIER if earlier else ""
    newest = rows[0]
    if len(rows) == 1:
        return Shown(newest, newest.label, newest.outcome, 1, [newest], rows, "", continues)
    keys = {step.key_id for step in steps if step.key_id}
    if any(act_id(step) for step in steps):
        what, outcome = _on_keys(steps, on_this_page=bool(continues))
    elif steps[0].type in GENERATING:
        what, outcome = _generated(steps), newest.outcome
    else:
        what, outcome = newest.label, newest.outcome
    return Shown(newest, what, outcome, len(keys), list(_people(rows)), rows, _counted(steps), continues)


def _people(rows: list[EventRow]) -> Iterator[EventRow]:
    """Yield an event of each person who took part, in the order of their first steps, the portal last."""
    known = {(row.who_id, row.who): row for row in reversed(rows)}
    yield from sorted(known.values(), key=lambda row: not row.who_id)


def _counted(steps: list[Step]) -> str:
    others = Counter(step.outcome for step in steps if step.outcome != "done")
    return ", ".join([f"{len(steps)} events", *(f"{number} {outcome}" for outcome, number in others.items())])


def _generated(steps: list[Step]) -> str:
    """Return such as "API key requested, generated, viewed and stored", with the steps that are here."""
    said = [
        f"not {word}" if step.outcome == "failed" else word
        for step in reversed(steps)
        if (word := GENERATING[Event(step.type)])
    ]
    return f"API key {_listed(list(dict.fromkeys(said)))}" if said else Event(steps[0].type).label


def _on_keys(steps: list[Step], *, on_this_page: bool) -> tuple[str, str]:
    """Return what an act did to how many keys, such as "Bulk action: 10 API keys deleted, 2 refused"."""
    decisive: dict[UUID, Step] = {}
    for step in reversed(steps):
        if step.key_id and step.type in _RANK:
            known = decisive.get(step.key_id)
            if known is None or _RANK[Event(step.type)] <= _RANK[Event(known.type)]:
                decisive[step.key_id] = step
    if not decisive:
        return Event(steps[0].type).label_if(steps[0].outcome), steps[0].outcome
    counts = Counter(
        ("not " if step.outcome == "failed" else "") + _DONE_TO_KEYS[Event(step.type)]
        for step in decisive.values()
    )
    first = f"{len(decisive):,} API key{'' if len(decisive) == 1 else 's'}"
    said = [f"{number:,} {word}" if len(counts) > 1 else word for word, number in counts.most_common()]
    where = " on this page" if on_this_page else ""
    outcomes = {step.outcome for step in decisive.values()}
    summary = f"{_title(steps)}: {first}{':' if len(counts) > 1 else ''} {_listed(said)}{where}"
    return summary, outcomes.pop() if len(outcomes) == 1 else PARTLY


def _title(steps: list[Step]) -> str:
    kinds = {step.type for step in steps}
    if any("import" in step.details for step in steps):
        return "Import withdrawn" if Event.KEY_WITHDRAWN in kinds else "Import"
    if kinds & {Event.INVENTORY_COMPARED, Event.KEY_CONFIRMED, Event.KEY_REMOVAL_DECLARED}:
        return "Comparison with Cerby's web app"
    return "Bulk action"


def _listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
