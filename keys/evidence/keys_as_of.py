"""Reconstruct every API key as of a past time, from its row and the audit log.

The row has the present values. A field's past value comes from the newest event up to that time that sets it;
if there is none, from the first later event that has its former value; if there is none, from the row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from keys.evidence.people_as_of import PersonAsOf, people_at
from keys.models import ApiKey, AuditEvent, User
from keys.rules.event_contents import OWNERSHIP
from keys.rules.events import Event
from keys.rules.formatting import utc, utc_if_known
from keys.rules.lifecycle import CAVEAT, PHASE, Phase, State, status
from keys.rules.scope_lists import are_same
from keys.tlog.leaf import ERASED, readable
from keys.verifier.verify_bundle import states_after

PAGE = 500
QUERY = (
    "Every API key of the inventory, whatever its status, that was made at or before {as_of}, and every "
    "request for one that was recorded by then. No key is left out, and no row is ever removed."
)
BEGINS = {"key:request", "key:register", "key:discover"}
"""The possible first events of a key. If its first event is another one, the key is older than the log."""
MADE_HERE = {ApiKey.Origin.GENERATED, ApiKey.Origin.PASTED}
FIELDS = {"scopes", "expires_at", "purpose", "cerby_id", "note", *OWNERSHIP}
"""Details of events that are the new values of the key's fields."""
CHANGES = {Event.KEY_CHANGED, Event.KEY_EDITED, Event.KEY_CORRECTED}
"""Events with the values before and after."""
ANY_STATE = frozenset(state.value for state in State)


@dataclass(frozen=True)
class KeyAsOf:
    """A key's values at that time. ``note`` explains, in sentences, which values are not from the log.

    ``created_at`` is None if nobody knows when the key was created.
    """

    id: UUID
    cerby_id: str
    name: str
    owner_id: str
    owner_email: str
    scopes: list[str]
    created_at: datetime | None
    expires_at: datetime
    status: str
    caveat: str
    purpose: str
    origin: str
    stored_at: datetime | None
    removed_at: datetime | None
    last_used_at: datetime | None
    seen_at: datetime | None
    seen_by: str
    last_used_source: str
    expires_source: str
    note: str
    accountable_email: str
    backup_email: str
    team: str
    system: str
    kind: str
    environment: str
    review_on: str
    tags: list[str]
    note_by_people: str

    def as_json(self) -> dict[str, Any]:
        moments = ("expires_at", "stored_at", "removed_at", "last_used_at", "seen_at")
        created = utc_if_known(self.created_at, is_known=self.created_at is not None)
        values = {**vars(self), "id": str(self.id), **{name: utc(getattr(self, name)) for name in moments}}
        return values | {"created_at": created}


@dataclass(frozen=True)
class _KeyEvent:
    """An event about a key, with personal values in clear."""

    at: datetime
    type: str
    outcome: str
    name: str
    details: dict[str, Any]
    actor: str

    def values_after(self) -> dict[str, Any]:
        if self.outcome != "done":
            return {}
        if self.type == Event.KEY_RESCOPED:
            return {"scopes": self.details["after"]}
        if self.type in CHANGES:
            return dict(self.details["after"])
        values = {name: self.details[name] for name in FIELDS & self.details.keys()}
        return values | ({"purpose": ""} if self.type == Event.KEY_DISCOVERED else {})

    def values_before(self) -> dict[str, Any]:
        if self.outcome != "done":
            return {}
        if self.type == Event.KEY_RESCOPED:
            return {"scopes": self.details["before"]}
        if self.type in CHANGES:
            return dict(self.details["before"])
        if self.type == Event.KEY_READ:
            former = self.details.get("former_expires_at")
            return {"expires_at": former} if former else {}
        return {"purpose": "", "accountable": None} if self.type == Event.KEY_ADOPTED else {}


@dataclass(frozen=True)
class PageOfKeys:
    """Keys as of a time, in the order of their ids. ``after``: the id to continue after, or None at the end.

    ``people`` are the owners and the people who answered for the keys then, by their email of that time.
    """

    keys: list[KeyAsOf]
    after: UUID | None
    people: dict[str, PersonAsOf]


def keys_as_of(as_of: datetime, emails: dict[int, str]) -> Iterator[KeyAsOf]:
    """Yield the keys in the order of their ids, reading a page at a time.

    ``emails`` has the former email of each person whose email has changed, by the primary key of their row.
    """
    after = UUID(int=0)
    while page := _rows_after(after):
        yield from _keys_at(page, as_of, emails)
        after = page[-1].pk


def page_of_keys(as_of: datetime, after: UUID) -> PageOfKeys:
    """Return those of the next ``PAGE`` keys that existed then. Memory does not grow with the inventory."""
    page = _rows_after(after)
    rows = {
        person.pk: person for key in page for person in (key.owner, key.accountable, key.backup) if person
    }
    people = {person.email: person for person in people_at(rows.values(), as_of)}
    emails = {person.row: person.email for person in people.values() if person.undone}
    keys = list(_keys_at(page, as_of, emails))
    named = {email for key in keys for email in (key.owner_email, key.accountable_email) if email}
    others = User.objects.filter(email__in=sorted(named - people.keys())).exclude(pk__in=list(rows))
    people |= {person.email: person for person in people_at(others, as_of)}
    return PageOfKeys(keys, page[-1].pk if len(page) == PAGE else None, people)


def _rows_after(after: UUID) -> list[ApiKey]:
    rows = ApiKey.objects.filter(pk__gt=after).order_by("pk")
    return list(rows.select_related("owner", "accountable", "backup")[:PAGE])


def _keys_at(page: Sequence[ApiKey], as_of: datetime, emails: dict[int, str]) -> Iterator[KeyAsOf]:
    if not page:
        return
    events = _events(UUID(int=page[0].pk.int - 1), page[-1].pk)
    for key in page:
        found = _key_at(key, events[key.pk], as_of, emails)
        if found is not None:
            yield found


def _events(after: UUID, last: UUID) -> dict[UUID, list[_KeyEvent]]:
    """Return the events of a range of keys, in order, without refused attempts, which changed nothing."""
    rows = AuditEvent.objects.filter(key_id__gt=after, key_id__lte=last).exclude(type=Event.ATTEMPT_REFUSED)
    columns = ("key_id", "at", "type", "outcome", "key_name", "details", "personal", "actor_name")
    found: dict[UUID, list[_KeyEvent]] = defaultdict(list)
    for key_id, at, kind, outcome, name, details, personal, actor in rows.order_by("id").values_list(
        *columns
    ):
        shown = readable(details, personal)
        found[key_id].append(_KeyEvent(at, kind, outcome, name, shown, actor or ERASED))
    return found


def _key_at(
    key: ApiKey, events: Sequence[_KeyEvent], as_of: datetime, emails: dict[int, str]
) -> KeyAsOf | None:
    before = [event for event in events if event.at <= as_of]
    later = [event for event in events if event.at > as_of]
    if not before and not _existed_unrecorded(key, events, as_of):
        return None
    facts = _facts(key, before, later)
    expires_at = _moment(facts["expires_at"])
    state, phase = _state_and_phase(key, before, later, as_of)
    seen = _newest(before, Event.KEY_CONFIRMED, "seen_at")
    ended = phase in {Phase.REMOVED, Phase.FAILED}
    return KeyAsOf(
        id=key.pk,
        cerby_id=str(facts["cerby_id"] or ""),
        name=facts["name"],
        owner_id=str(key.owner.cerby_id) if "owner_email" not in facts else "",
        owner_email=facts.get("owner_email", emails.get(key.owner_id, key.owner_email)),
        scopes=key.scopes if are_same(facts["scopes"], key.scopes) else list(facts["scopes"]),
        created_at=_created(key, before, as_of),
        expires_at=expires_at,
        status=status(phase, expires_at, as_of).label,
        caveat=CAVEAT.get(state, "") if state else "",
        purpose=facts["purpose"],
        origin=_origin(key, before),
        stored_at=_if_by(key.stored_at, as_of),
        removed_at=_if_by(key.removed_at, as_of) if ended else None,
        last_used_at=_last_used(key, events, as_of),
        seen_at=seen.at if seen else None,
        seen_by=seen.actor if seen else "",
        last_used_source=_source(_newest(before, Event.KEY_READ, "last_used_at")),
        expires_source=_source(_newest(before, Event.KEY_READ, "expires_at")),
        note=_note(before, events),
        accountable_email=_email(facts["accountable"]),
        backup_email=_email(facts["backup"]),
        **{name: facts[name] for name in ("team", "system", "kind", "environment", "review_on", "tags")},
        note_by_people=facts["note"],
    )


def _created(key: ApiKey, before: Sequence[_KeyEvent], as_of: datetime) -> datetime | None:
    if not key.created_known:
        return None
    return key.created_at if key.created_at <= as_of else before[0].at


def _existed_unrecorded(key: ApiKey, events: Sequence[_KeyEvent], as_of: datetime) -> bool:
    """Return whether a key without events up to ``as_of`` already existed in Cerby, unknown to the log."""
    requested_later = bool(events) and key.origin in MADE_HERE and events[0].type == Event.KEY_REQUESTED
    return key.created_at <= as_of and not requested_later


def _facts(key: ApiKey, before: Sequence[_KeyEvent], later: Sequence[_KeyEvent]) -> dict[str, Any]:
    """Apply the module's rule to each field. "owner_email" is present only if the key changed its owner."""
    facts: dict[str, Any] = {name: getattr(key, name) for name in FIELDS - OWNERSHIP}
    facts |= {**key.ownership_details(), "name": key.name}
    for event in reversed(later):
        facts |= {"name": event.name} | event.values_before()
    for event in before:
        facts |= {"name": event.name} | event.values_after()
    return facts


def _state_and_phase(
    key: ApiKey, before: Sequence[_KeyEvent], later: Sequence[_KeyEvent], as_of: datetime
) -> tuple[State | None, int]:
    """Return the state and phase that fit the earlier and later events; no state if several are possible."""
    if not before and not later:
        ended_since = key.removed_at is not None and key.removed_at > as_of
        return None, Phase.LIVE if ended_since else PHASE[State(key.state)]
    starts_in_log = bool(before) and before[0].type in BEGINS
    states = _after(frozenset({"new"}) if starts_in_log else ANY_STATE, before)
    fitting = frozenset(state for state in states if key.state in _after(frozenset({state}), later))
    possible = [State(state) for state in fitting or states if state != "new"]
    phases = {PHASE[state] for state in possible}
    if len(phases) == 1:
        return (possible[0] if len(possible) == 1 else None), phases.pop()
    if key.removed_at is not None and key.removed_at <= as_of:
        return None, Phase.REMOVED
    return None, Phase.LIVE if Phase.LIVE in phases or not phases else PHASE[State(key.state)]


def _after(states: frozenset[str], events: Sequence[_KeyEvent]) -> frozenset[str]:
    for event in events:
        states = states_after(states, f"{event.type}:{event.outcome}", event.details)
    return states


def _origin(key: ApiKey, before: Sequence[_KeyEvent]) -> str:
    """Return the origin at that time, which changes if a declared or discovered key is proved later."""
    label = ApiKey.Origin(key.origin).label
    for event in before:
        if event.type == Event.KEY_DISCOVERED:
            label = ApiKey.Origin.DISCOVERED.label
        label = event.details.get("origin", label)
    return label


def _newest(events: Sequence[_KeyEvent], kind: Event, detail: str) -> _KeyEvent | None:
    return next((one for one in reversed(events) if one.type == kind and detail in one.details), None)


def _source(event: _KeyEvent | None) -> str:
    return f"reading by {event.actor}, {utc(event.at)}" if event else ""


def _last_used(key: ApiKey, events: Sequence[_KeyEvent], as_of: datetime) -> datetime | None:
    """Return the last use by the newest reading until then, or else by the row if it was before that time."""
    if _newest(events, Event.KEY_READ, "last_used_at") is None:
        return _if_by(key.last_used_at, as_of)
    read = _newest([event for event in events if event.at <= as_of], Event.KEY_READ, "last_used_at")
    value = read.details["last_used_at"] if read else "never"
    return None if value == "never" else _moment(value)


def _note(before: Sequence[_KeyEvent], events: Sequence[_KeyEvent]) -> str:
    if before:
        complete = before[0].type in BEGINS
        return (
            "" if complete else "The audit log lacks this key's first events; other values are from its row."
        )
    if events:
        return f"The audit log has this key only since {utc(events[0].at)}, which is after this time."
    return "The audit log has no event about this key; the values are from its row."


def _email(person: dict[str, str] | None) -> str:
    return person["email"] if person else ""


def _moment(value: datetime | str) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)


def _if_by(value: datetime | None, as_of: datetime) -> datetime | None:
    """Return ``value`` if it is not after ``as_of``. Earlier values, such as an earlier use, are not kept."""
    return value if value is not None and value <= as_of else None
