"""Turn an event of the audit log into a row of strings for a page."""

from __future__ import annotations

from typing import Any, NamedTuple
from uuid import UUID

from keys.rules import formatting
from keys.rules.event_contents import DONE, OUTCOMES
from keys.rules.events import Event
from keys.selectors.activity.changes import Change, changes_in
from keys.selectors.activity.words import details_in_words
from keys.tlog.leaf import ERASED, readable

COLUMNS = (
    "id",
    "at",
    "type",
    "outcome",
    "actor_id",
    "actor_name",
    "actor_email",
    "actor_role",
    "key_id",
    "key_name",
    "ip",
    "browser",
    "reason",
    "uid",
    "details",
    "personal",
)


IDS = frozenset({"part_of", "import", "person", "owner_id"})
"""Details that are ids. ``with_names`` (keys.selectors.activity.names) says what they stand for."""


class Act(NamedTuple):
    """The act of which an event is a part. ``event``: the one that recorded its start, or None."""

    words: str
    event: UUID | None


class EventRow(NamedTuple):
    """``ids``: details that are ids, by their names."""

    id: int
    at: str
    at_exact: str
    at_iso: str
    type: str
    label: str
    outcome: str
    who_id: int | None
    who: str
    who_email: str
    who_role: str
    key_id: UUID | None
    key_name: str
    ip: str
    browser: str
    reason: str
    details: list[tuple[str, str]]
    uid: UUID
    changes: list[Change]
    ids: dict[str, str]
    act: Act | None = None

    @property
    def tag(self) -> str:
        """Return the outcome if it is not done and the label does not say it, as "Deletion failed" does."""
        event = Event(self.type)
        says_it = self.label != event.label or "done" not in OUTCOMES.get(event, DONE)
        return "" if self.outcome == "done" or says_it else self.outcome


def row_of(values: tuple[Any, ...]) -> EventRow:
    """Return the row for the values of ``COLUMNS``."""
    *columns, hidden, personal = values
    id_, at, type_, outcome, who_id, who, email, role, key_id, key_name, ip, browser, reason, uid = columns
    details = readable(hidden, personal)
    changes = changes_in(details)
    ids = {name: str(details.pop(name)) for name in IDS & details.keys()}
    day, exact, iso = formatting.day_exact_iso(at)
    return EventRow(
        id=id_,
        at=f"{day}, {iso[11:16]}",
        at_exact=exact,
        at_iso=iso,
        type=type_,
        label=Event(type_).label_if(outcome),
        outcome=outcome,
        who_id=who_id,
        who=who or ERASED,
        who_email=email,
        who_role=role,
        key_id=key_id,
        key_name=key_name,
        ip=ip,
        browser=browser,
        reason=reason,
        details=list(details_in_words(type_, without_changes(details, changes))),
        uid=uid,
        changes=changes,
        ids=ids,
    )


def without_changes(details: dict[str, Any], changes: list[Any]) -> dict[str, Any]:
    """Return the details that ``changes`` does not say."""
    said = {"before", "after"} if changes else set[str]()
    return {name: value for name, value in details.items() if name not in said}
