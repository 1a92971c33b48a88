"""Replay the events of API keys: the values and states that their rows must have."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from keys.models import ApiKey, AuditEvent, RevealGrant
from keys.rules import scope_lists
from keys.rules.events import BEGINS, Event
from keys.rules.lifecycle import State
from keys.tlog.leaf import readable
from keys.verifier.verify_bundle import states_after

SEEN = (
    "seen_at",
    "seen_by_id",
    "use_read_at",
    "use_read_by_id",
    "expiry_read_at",
    "expiry_read_by_id",
)
"""Who last confirmed a key against Cerby's web app, who last read values there, and when."""
COMPARED = (
    "name",
    "scopes",
    "expires_at",
    "created_at",
    "created_known",
    "purpose",
    "cerby_id",
    "origin",
    "owner",
    "last_four",
    *SEEN,
    "accountable",
    "backup",
    "team",
    "system",
    "kind",
    "environment",
    "review_on",
    "note",
    "tags",
)
"""The values of a key that the events and the row must agree on, besides its state."""
_ORIGINS = {origin.label: origin.value for origin in ApiKey.Origin}
_NOT_SET: dict[str, Any] = {
    **dict.fromkeys(("team", "system", "kind", "environment", "review_on", "note"), ""),
    **dict.fromkeys(("accountable", "backup", *SEEN)),
    "tags": [],
}
"""The values of a key before an event sets them. Events that are older than these values say nothing."""
_PEOPLE = {"accountable", "backup"}
_MOMENTS = {"expires_at", "created_at", "seen_at", "use_read_at", "expiry_read_at"}
_ENDS = {
    Event.KEY_DELETED,
    Event.KEY_REMOVAL_CONFIRMED,
    Event.KEY_REMOVAL_DECLARED,
    Event.KEY_CHANGED,
}


@dataclass(frozen=True)
class KeyEvent:
    """An event about a key, with personal values in clear."""

    id: int
    at: datetime
    type: str
    outcome: str
    actor_id: int | None
    key_name: str
    details: dict[str, Any]
    reason: str = ""


@dataclass(frozen=True)
class LoggedKey:
    """A key according to its events, oldest first.

    ``values``: as far as the events record them; scopes are sorted, and may be cut (keys.rules.scope_lists).
    ``states``: those that the key can have;
    none if the events contradict each other.
    """

    events: Sequence[KeyEvent]
    values: Mapping[str, Any]
    states: frozenset[str]

    @property
    def has_beginning(self) -> bool:
        """Return whether the log says how the key came into the inventory."""
        return bool(self.events) and self.events[0].type in BEGINS

    @property
    def was_viewed(self) -> bool:
        return any(event.type == Event.KEY_REVEALED and event.outcome == "done" for event in self.events)

    @property
    def requested_at(self) -> datetime:
        return self.events[0].at

    @property
    def removed_at(self) -> datetime | None:
        """Return the time of the newest event that can have ended the key."""
        ends = [event for event in self.events if event.type in _ENDS and event.outcome == "done"]
        if not ends:
            return None
        told = ends[-1].details.get("removed_at")
        return datetime.fromisoformat(told) if told else ends[-1].at

    def wrong_values(self, key: ApiKey) -> dict[str, tuple[Any, Any]]:
        """Return the values of the row ``key`` that contradict the events, each with the logged value."""
        row = values_of(key)
        return {
            name: (row[name], self.values[name])
            for name in COMPARED
            if name in self.values and not _agree(name, self.values[name], row[name])
        }

    def has_wrong_state(self, key: ApiKey) -> bool:
        return bool(self.states) and key.state not in self.states

    def allows_second_view(self, grant: RevealGrant | None) -> bool:
        """Return whether ``grant`` allows a view that the events say was used."""
        is_ready = grant is not None and grant.state == RevealGrant.GrantState.READY
        return is_ready and self.was_viewed


def logged_keys(key_ids: Collection[UUID]) -> dict[UUID, LoggedKey]:
    """Return each of the keys according to its events, with one query over an index."""
    events = _events(key_ids)
    return {
        key_id: LoggedKey(events[key_id], _values(events[key_id]), _states(events[key_id]))
        for key_id in key_ids
    }


def values_of(key: ApiKey) -> dict[str, Any]:
    """Return the values of a row that its events record, in the form of ``LoggedKey.values``."""
    return {
        "name": key.name,
        "scopes": sorted(key.scopes),
        "expires_at": key.expires_at,
        "created_at": key.created_at,
        "created_known": key.created_known,
        "purpose": key.purpose,
        "cerby_id": str(key.cerby_id) if key.cerby_id else None,
        "origin": key.origin,
        "owner": key.owner_id,
        "last_four": key.last_four,
        **{name: getattr(key, name) for name in SEEN},
        "accountable": key.accountable_id,
        "backup": key.backup_id,
        **{name: getattr(key, name) for name in ("team", "system", "kind", "environment", "note", "tags")},
        "review_on": key.review_on.isoformat() if key.review_on else "",
    }


def _events(key_ids: Collection[UUID]) -> dict[UUID, list[KeyEvent]]:
    """Return the events of each key, oldest first, without those that changed nothing."""
    rows = AuditEvent.objects.filter(key_id__in=key_ids).order_by("id")
    rows = rows.exclude(type=Event.ATTEMPT_REFUSED).exclude(type=Event.KEY_REPAIRED, outcome="failed")
    columns = ("id", "at", "type", "outcome", "actor_id", "key_name", "details", "reason")
    found: dict[UUID, list[KeyEvent]] = defaultdict(list)
    for key_id, personal, *values in rows.values_list("key_id", "personal", *columns):
        event = KeyEvent(*values)
        found[key_id].append(replace(event, details=readable(event.details, personal)))
    return found


def _states(events: Sequence[KeyEvent]) -> frozenset[str]:
    starts_in_log = bool(events) and events[0].type in BEGINS
    states = frozenset({"new"}) if starts_in_log else frozenset(state.value for state in State)
    for event in events:
        states = states_after(states, f"{event.type}:{event.outcome}", event.details)
    return states


def _values(events: Sequence[KeyEvent]) -> dict[str, Any]:
    values: dict[str, Any] = {"name": events[0].key_name} if events else {}
    if events and events[0].type in BEGINS:
        values |= _NOT_SET
    for event in events:
        if event.outcome == "done":
            values |= _set_by(event)
            for name in _CLEARED_BY.get(event.type, ()):
                if name not in event.details:
                    values.pop(name, None)
    return {name: _comparable(name, value) for name, value in values.items() if name in COMPARED}


_CLEARED_BY = {
    Event.KEY_ISSUED.value: ("created_at",),
    Event.KEY_LOOKED_UP.value: ("cerby_id",),
    Event.KEY_ANSWER_LOST.value: ("cerby_id",),
}
"""Values that an event changes although older events of its type do not say to which value."""


def _set_by(event: KeyEvent) -> dict[str, Any]:
    details = event.details
    values = {name: details[name] for name in COMPARED if name in details and name not in {"origin", "owner"}}
    match event.type:
        case Event.KEY_REQUESTED if event.actor_id is not None:  # only the demo's requests have no actor
            values |= {"origin": ApiKey.Origin.GENERATED.value, "owner": event.actor_id}
        case Event.KEY_AWAITED:
            values["origin"] = ApiKey.Origin.PASTED.value
        case Event.KEY_REGISTERED if details.get("origin") in _ORIGINS:
            values["origin"] = _ORIGINS[details["origin"]]
        case Event.KEY_DISCOVERED:
            values |= {"origin": ApiKey.Origin.DISCOVERED.value, "purpose": "", "last_four": ""}
        case Event.KEY_CONFIRMED:
            values["seen_by_id"] = event.actor_id
        case Event.KEY_READ:
            values |= _reading(event)
        case Event.KEY_RESCOPED:
            values["scopes"] = details["after"]
        case Event.KEY_CHANGED | Event.KEY_REPAIRED | Event.KEY_EDITED | Event.KEY_CORRECTED:
            values = {name: value for name, value in details["after"].items() if name in COMPARED}
    if "owner_id" in details:
        values["owner"] = int(details["owner_id"])
    return values


def _agree(name: str, logged: Any, row: Any) -> bool:
    return scope_lists.are_same(logged, row) if name == "scopes" else bool(logged == row)


def _reading(event: KeyEvent) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, column in (("last_used_at", "use_read"), ("expires_at", "expiry_read")):
        if name in event.details:
            values |= {f"{column}_at": event.details["read_at"], f"{column}_by_id": event.actor_id}
    return values


def _comparable(name: str, value: Any) -> Any:
    if name in _PEOPLE:
        return int(value["id"]) if value else None
    if name == "review_on":
        return value or ""
    if name in _MOMENTS and isinstance(value, str):
        return datetime.fromisoformat(value)
    return sorted(value) if name == "scopes" else value
