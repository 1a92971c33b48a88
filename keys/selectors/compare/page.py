"""Describe the groups of a comparison for its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from keys.rules import formatting
from keys.rules.visible import named
from keys.selectors.compare.matching import Group, KeyFacts
from keys.selectors.compare.plan import Item, Plan

MOST_FIELDS = 100
"""Rows of a group that get a field each, because a form may not have more than 1,000 fields."""


@dataclass(frozen=True)
class Words:
    title: str
    about: str
    button: str
    done: str


_WORDS = {
    Group.CONFIRMED: Words(
        "Confirmed",
        "These keys are active in Cerby and live in the inventory. If you confirm them, each one shows your "
        "name and the time.",
        "Confirm {keys}",
        "{keys} confirmed against Cerby's web app.",
    ),
    Group.MISSING_HERE: Words(
        "Missing here",
        "Cerby shows these keys as active, and the inventory does not have them. Adopt them: they become "
        "declared keys of the person under “By”. Cerby's table shows neither scopes nor expiry, so these "
        "stay unknown until somebody enters them.",
        "Adopt {keys}",
        "{keys} adopted.",
    ),
    Group.MISSING_THERE: Words(
        "Missing there",
        "These keys are live in the inventory, and the table that you pasted does not have them. If you "
        "declare them as removed, the audit log says that you said so.",
        "Declare {keys} as removed",
        "{keys} declared as removed.",
    ),
    Group.REMOVED_THERE: Words(
        "Removed there",
        "Cerby shows these keys as no longer active, and the inventory still has them. If you declare "
        "them as removed, the audit log says that you said so.",
        "Declare {keys} as removed",
        "{keys} declared as removed.",
    ),
    Group.AMBIGUOUS: Words(
        "Ambiguous",
        "The portal cannot tell which key each of these rows is. Select it, if you know. Rows without a "
        "selection stay as they are.",
        "Apply the selection",
        "{keys} settled by your selection.",
    ),
}


@dataclass(frozen=True)
class Line:
    """One row of a group as words. ``options``: the keys to select from, as pairs of id and words."""

    number: int
    name: str
    key_id: str
    created: str
    person: str
    shown: str
    seen: str
    note: str
    is_left_out: bool
    options: list[tuple[str, str]]
    purpose: str


@dataclass(frozen=True)
class Section:
    """``button`` is empty if there is nothing to confirm. ``has_fields``: each row has a field."""

    group: Group
    title: str
    about: str
    button: str
    lines: list[Line]
    digest: str
    has_fields: bool

    @property
    def count(self) -> int:
        return len(self.lines)

    @property
    def leaves_out(self) -> bool:
        return any(line.is_left_out for line in self.lines)


def sections(plan: Plan, purposes: Mapping[int, str]) -> list[Section]:
    """Return the groups in the order of the page. "Missing there" only if the paste is the whole table.

    ``purposes``: what the person has already entered, by line.
    """
    return [
        _section(plan, group, purposes) for group in Group if group is not Group.MISSING_THERE or plan.whole
    ]


def done_message(group: Group, count: int) -> str:
    return _WORDS[group].done.format(keys=_keys(count, verb=True))


def _section(plan: Plan, group: Group, purposes: Mapping[int, str]) -> Section:
    words, items, doable = _WORDS[group], plan.groups[group], plan.doable(group)
    has_choice = group is not Group.AMBIGUOUS or any(_options(item) for item in items)
    return Section(
        group=group,
        title=words.title,
        about=words.about,
        button=words.button.format(keys=_keys(len(doable))) if doable and has_choice else "",
        lines=[_line(item, purposes.get(item.number, "")) for item in items],
        digest=plan.digest(group),
        has_fields=len(items) <= MOST_FIELDS,
    )


def _keys(count: int, *, verb: bool = False) -> str:
    one = count == 1
    return f"{count:,} key{'' if one else 's'}" + ((" is" if one else " are") if verb else "")


def _line(item: Item, purpose: str) -> Line:
    row, key = item.pair.row, item.pair.key
    created = _row_day(item) or (_created(key) if key else "")
    person = " ".join(row.by) if row else f"{key.owner_name} {key.owner_email}" if key else ""
    if item.owner is not None:
        person = f"{item.owner.name} {item.owner.email}"
    return Line(
        number=item.number,
        name=row.name if row else key.name if key else "",
        key_id=str(key.id) if key else "",
        created=created,
        person=person,
        shown=row.shown if row else "Not in the table",
        seen=_seen(key) if key else "",
        note=item.problem or item.pair.note,
        is_left_out=bool(item.problem),
        options=_options(item),
        purpose=purpose,
    )


def _row_day(item: Item) -> str:
    if item.pair.row is None or item.pair.row.created is None:
        return ""
    found = item.pair.row.created
    about = "about " if found.give > 1 else ""
    return f"{about}{found.day.day} {found.day:%b %Y}"


def _seen(key: KeyFacts) -> str:
    if key.seen_at is None:
        return "not confirmed yet"
    return formatting.confirmed(key.seen_by or "", key.seen_at)


def _options(item: Item) -> list[tuple[str, str]]:
    return [(str(key.id), _option(key)) for key in _selectable(item.pair.candidates)]


def _selectable(candidates: Sequence[KeyFacts]) -> list[KeyFacts]:
    return [key for key in candidates if key.is_live]


def _created(key: KeyFacts) -> str:
    return formatting.day(key.created_at) if key.created_known else formatting.NOT_KNOWN


def _option(key: KeyFacts) -> str:
    made = formatting.in_local_time(key.created_at)
    created = f"{made.day} {made:%b %Y %H:%M}" if key.created_known else "on an unknown day"
    return f"{named(key.name)}, {key.owner_name}, created {created}, {_seen(key)}"
