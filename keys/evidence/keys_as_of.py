"""Every API key as it was at a time, put together from its row and from the record.

The row says how a key is now. What it was is told by the newest event up to that time that says so; else by
the first later event that says what was there before it; else nothing has changed it, and the row counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from keys.models import ApiKey, AuditEvent
from keys.rules.events import Event
from keys.rules.formatting import utc
from keys.rules.lifecycle import CAVEAT, PHASE, Phase, State, status
from keys.tlog.leaf import readable
from keys.verifier.verify_bundle import states_after

PAGE = 500
QUERY = (
    "Every API key of the inventory, whatever its status, that was made at or before {as_of}, and every "
    "request for one that was recorded by then. No key is left out, and no row is ever removed."
)
BEGINS = {"key:request", "key:register", "key:discover"}
"""What the story of a key begins with. A row with another story is older than the record."""
MADE_HERE = {ApiKey.Origin.GENERATED, ApiKey.Origin.PASTED}
TOLD = {"scopes", "expires_at", "purpose", "cerby_id"}
"""Details by which an event says how the key is from then on."""
ANY_STATE = frozenset(state.value for state in State)


@dataclass(frozen=True)
class KeyAsOf:
    """``note`` says, as sentences, what had to be taken from elsewhere than the record."""

    id: UUID
    cerby_id: str
    name: str
    owner_id: str
    owner_email: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime
    status: str
    caveat: str
    purpose: str
    origin: str
    stored_at: datetime | None
    removed_at: datetime | None
    last_used_at: datetime | None
    note: str

    def as_json(self) -> dict[str, Any]:
        moments = ("created_at", "expires_at", "stored_at", "removed_at", "last_used_at")
        return {**vars(self), "id": str(self.id), **{name: utc(getattr(self, name)) for name in moments}}


@dataclass(frozen=True)
class _Told:
    """One event about a key, with its personal values in clear."""

    at: datetime
    type: str
    outcome: str
    name: str
    details: dict[str, Any]

    def from_then_on(self) -> dict[str, Any]:
        if self.outcome != "done":
            return {}
        if self.type == Event.KEY_RESCOPED:
            return {"scopes": self.details["after"]}
        if self.type == Event.KEY_CHANGED:
            return dict(self.details["after"])
        told = {name: self.details[name] for name in TOLD & self.details.keys()}
        return told | ({"purpose": ""} if self.type == Event.KEY_DISCOVERED else {})

    def until_then(self) -> dict[str, Any]:
        if self.outcome != "done":
            return {}
        if self.type == Event.KEY_RESCOPED:
            return {"scopes": self.details["before"]}
        if self.type == Event.KEY_CHANGED:
            return dict(self.details["before"])
        return {"purpose": ""} if self.type == Event.KEY_ADOPTED else {}


def keys_as_of(as_of: datetime, emails: dict[int, str]) -> Iterator[KeyAsOf]:
    """By their ids, a page of them in memory. ``emails``: people who had another e-mail then, by row."""
    after = UUID(int=0)
    while page := list(ApiKey.objects.filter(pk__gt=after).order_by("pk").select_related("owner")[:PAGE]):
        events = _events(after, page[-1].pk)
        for key in page:
            then = _key_at(key, events[key.pk], as_of, emails)
            if then is not None:
                yield then
        after = page[-1].pk


def _events(after: UUID, last: UUID) -> dict[UUID, list[_Told]]:
    """What happened to the keys with these ids, in its order. An attempt that was refused changed nothing."""
    rows = AuditEvent.objects.filter(key_id__gt=after, key_id__lte=last).exclude(type=Event.ATTEMPT_REFUSED)
    columns = ("key_id", "at", "type", "outcome", "key_name", "details", "personal")
    found: dict[UUID, list[_Told]] = defaultdict(list)
    for key_id, at, kind, outcome, name, details, personal in rows.order_by("id").values_list(*columns):
        found[key_id].append(_Told(at, kind, outcome, name, readable(details, personal)))
    return found


def _key_at(key: ApiKey, events: Sequence[_Told], as_of: datetime, emails: dict[int, str]) -> KeyAsOf | None:
    before = [event for event in events if event.at <= as_of]
    later = [event for event in events if event.at > as_of]
    if not before and not _was_there(key, events, as_of):
        return None
    facts = _facts(key, before, later)
    expires_at = _moment(facts["expires_at"])
    state, phase = _standing(key, before, later, as_of)
    ended = phase in {Phase.REMOVED, Phase.FAILED}
    return KeyAsOf(
        id=key.pk,
        cerby_id=str(facts["cerby_id"] or ""),
        name=facts["name"],
        owner_id=str(key.owner.cerby_id) if "owner_email" not in facts else "",
        owner_email=facts.get("owner_email", emails.get(key.owner_id, key.owner_email)),
        scopes=list(facts["scopes"]),
        created_at=key.created_at if key.created_at <= as_of else before[0].at,
        expires_at=expires_at,
        status=status(phase, expires_at, as_of).label,
        caveat=CAVEAT.get(state, "") if state else "",
        purpose=facts["purpose"],
        origin=_origin(key, before),
        stored_at=_until(key.stored_at, as_of),
        removed_at=_until(key.removed_at, as_of) if ended else None,
        last_used_at=_until(key.last_used_at, as_of),
        note=_note(before, events),
    )


def _was_there(key: ApiKey, events: Sequence[_Told], as_of: datetime) -> bool:
    """Whether a key without an event up to then was there: in Cerby, before the portal or its record knew."""
    requested_later = bool(events) and key.origin in MADE_HERE and events[0].type == Event.KEY_REQUESTED
    return key.created_at <= as_of and not requested_later


def _facts(key: ApiKey, before: Sequence[_Told], later: Sequence[_Told]) -> dict[str, Any]:
    """The module's rule, field by field; "owner_email" only where the key itself changed its owner."""
    facts: dict[str, Any] = {name: getattr(key, name) for name in TOLD} | {"name": key.name}
    for event in reversed(later):
        facts |= {"name": event.name} | event.until_then()
    for event in before:
        facts |= {"name": event.name} | event.from_then_on()
    return facts


def _standing(
    key: ApiKey, before: Sequence[_Told], later: Sequence[_Told], as_of: datetime
) -> tuple[State | None, int]:
    """State and phase; no state where several are possible. What the events allow, both ways, decides."""
    if not before and not later:
        ended_since = key.removed_at is not None and key.removed_at > as_of
        return None, Phase.LIVE if ended_since else PHASE[State(key.state)]
    begun_here = bool(before) and before[0].type in BEGINS
    states = _after(frozenset({"new"}) if begun_here else ANY_STATE, before)
    fitting = frozenset(state for state in states if key.state in _after(frozenset({state}), later))
    possible = [State(state) for state in fitting or states if state != "new"]
    phases = {PHASE[state] for state in possible}
    if len(phases) == 1:
        return (possible[0] if len(possible) == 1 else None), phases.pop()
    if key.removed_at is not None and key.removed_at <= as_of:
        return None, Phase.REMOVED
    return None, Phase.LIVE if Phase.LIVE in phases or not phases else PHASE[State(key.state)]


def _after(states: frozenset[str], events: Sequence[_Told]) -> frozenset[str]:
    for event in events:
        states = states_after(states, f"{event.type}:{event.outcome}", event.details)
    return states


def _origin(key: ApiKey, before: Sequence[_Told]) -> str:
    """A key that was declared or discovered can be proved later."""
    label = ApiKey.Origin(key.origin).label
    for event in before:
        if event.type == Event.KEY_DISCOVERED:
            label = ApiKey.Origin.DISCOVERED.label
        label = event.details.get("origin", label)
    return label


def _note(before: Sequence[_Told], events: Sequence[_Told]) -> str:
    if before:
        known = before[0].type in BEGINS
        return "" if known else "The record does not hold this key's beginning; the rest is from its row."
    if events:
        return f"The portal's record knows this key since {utc(events[0].at)}: later than this time."
    return "The record says nothing of this key; this is from its row."


def _moment(value: datetime | str) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)


def _until(value: datetime | None, as_of: datetime) -> datetime | None:
    """What happened later had not happened then. What came before it, such as an earlier use, is not kept."""
    return value if value is not None and value <= as_of else None
