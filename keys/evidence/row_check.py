"""Find rows of keys, people and grants that contradict the audit log.

Each action changes a row and appends its event in one transaction, so replaying the events gives the row.
A difference means that somebody changed the database without the portal. Values that no event has, because
older events did not record them, are not compared.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Exists, OuterRef

from keys.models import ApiKey, AuditEvent, RevealGrant, Sealed, User
from keys.rules.events import Event
from keys.rules.lifecycle import State
from keys.tlog.leaf import ERASED, readable
from keys.verifier.verify_bundle import Kind, Report, states_after

_EVENTS_ARE_MISSING = frozenset({Kind.EMPTY, Kind.MISSING, Kind.TRUNCATED, Kind.ROLLED_BACK, Kind.FORK})
PAGE = 500
ATTEMPTS = 5
"""How often a key is read again if it changes while it is compared."""
BEGINS = (Event.KEY_REQUESTED, Event.KEY_REGISTERED, Event.KEY_DISCOVERED)
PEOPLE_EVENTS = (Event.PERSON_ADDED, Event.PERSON_REMOVED, Event.PERSON_CHANGED)
COMPARED = (
    "name",
    "scopes",
    "expires_at",
    "created_at",
    "purpose",
    "cerby_id",
    "origin",
    "owner",
    "last_four",
    "seen_at",
)
"""The values of a key that the events and the row must agree on, besides its state."""
_ORIGINS = {origin.label: origin.value for origin in ApiKey.Origin}
_MOMENTS = {"expires_at", "created_at", "seen_at"}


class Contradiction(NamedTuple):
    """``event`` is the id of the newest event about the row, or None if the log has none."""

    event: int | None
    words: str


@dataclass(frozen=True)
class _KeyEvent:
    id: int
    type: str
    outcome: str
    actor_id: int | None
    key_name: str
    details: dict[str, Any]


def check_rows(report: Report) -> None:
    """Add the contradictions between rows and events to ``report``, at the newest event about each row.

    If events are missing, the report says so already, and the rows would contradict the rest.
    """
    if not report.found.keys().isdisjoint(_EVENTS_ARE_MISSING):
        return
    for event_id, words in contradictions():
        index = Sealed.objects.filter(event_id=event_id).values_list("index", flat=True).first()
        report.add(Kind.ROWS, report.events if index is None else index, words)


def contradictions() -> Iterator[Contradiction]:
    """Compare every row with the events. Memory stays flat for keys; people are all in memory."""
    yield from _deleted_keys()
    yield from _changed_keys()
    yield from _changed_people()


def logged_values(key_id: UUID) -> dict[str, Any]:
    """Return the values that a key has according to its events, as far as they record them."""
    return _values(_events([key_id])[key_id])


def logged_states(key_id: UUID) -> frozenset[str]:
    """Return the states that a key can have according to its events; none if the events contradict."""
    return _states(_events([key_id])[key_id])


def _deleted_keys() -> Iterator[Contradiction]:
    rows = ApiKey.objects.filter(pk=OuterRef("key_id"))
    births = AuditEvent.objects.filter(type__in=BEGINS, key_id__isnull=False).exclude(Exists(rows))
    for event_id, key_id, name in births.order_by("id").values_list("id", "key_id", "key_name").iterator():
        yield Contradiction(event_id, f"The row of the API key “{name}” ({key_id}) was deleted.")


def _changed_keys() -> Iterator[Contradiction]:
    after = UUID(int=0)
    while page := list(ApiKey.objects.filter(pk__gt=after).order_by("pk").select_related("grant")[:PAGE]):
        events = _events([key.pk for key in page])
        for key in page:
            if _differences(key, events[key.pk]):
                yield from _compare_again(key.pk)
        after = page[-1].pk


def _compare_again(key_id: UUID) -> Iterator[Contradiction]:
    """Read one key and its events until no event is appended between the two reads, then compare them."""
    for _ in range(ATTEMPTS):
        before = _events([key_id])[key_id]
        key = ApiKey.objects.filter(pk=key_id).select_related("grant").first()
        events = _events([key_id])[key_id]
        if key is None:
            return  # _deleted_keys() reports it in the next verification
        if before == events:
            newest = events[-1].id if events else None
            for words in _differences(key, events):
                yield Contradiction(newest, f"API key “{key.name}” ({key_id}): {words}")
            return


def _events(key_ids: Sequence[UUID]) -> dict[UUID, list[_KeyEvent]]:
    """Return the events of each key, oldest first, without refused attempts, which changed nothing."""
    rows = AuditEvent.objects.filter(key_id__in=key_ids).exclude(type=Event.ATTEMPT_REFUSED).order_by("id")
    columns = ("key_id", "id", "type", "outcome", "actor_id", "key_name", "details", "personal")
    found: dict[UUID, list[_KeyEvent]] = defaultdict(list)
    for key_id, event_id, kind, outcome, actor_id, name, details, personal in rows.values_list(*columns):
        shown = readable(details, personal)
        found[key_id].append(_KeyEvent(event_id, kind, outcome, actor_id, name, shown))
    return found


def _differences(key: ApiKey, events: Sequence[_KeyEvent]) -> list[str]:
    if not events:
        return ["the audit log has no event about it."]
    logged, row = _values(events), _row(key)
    found = [
        f"{name} is {row[name]!r} in its row, and {logged[name]!r} according to the log."
        for name in COMPARED
        if name in logged and logged[name] != row[name]
    ]
    states = _states(events)
    if key.state not in states and states:
        found.append(f"state is {key.state!r} in its row, and {_or(states)} according to the log.")
    grant = getattr(key, "grant", None)
    was_revealed = any(event.type == Event.KEY_REVEALED and event.outcome == "done" for event in events)
    if grant is not None and grant.state == RevealGrant.GrantState.READY and was_revealed:
        found.append("its one view was used, and its row allows another one.")
    return found


def _row(key: ApiKey) -> dict[str, Any]:
    return {
        "name": key.name,
        "scopes": sorted(key.scopes),
        "expires_at": key.expires_at,
        "created_at": key.created_at,
        "purpose": key.purpose,
        "cerby_id": str(key.cerby_id) if key.cerby_id else None,
        "origin": key.origin,
        "owner": key.owner_id,
        "last_four": key.last_four,
        "seen_at": key.seen_at,
    }


def _states(events: Sequence[_KeyEvent]) -> frozenset[str]:
    starts_in_log = bool(events) and events[0].type in BEGINS
    states = frozenset({"new"}) if starts_in_log else frozenset(state.value for state in State)
    for event in events:
        states = states_after(states, f"{event.type}:{event.outcome}", event.details)
    return states


def _values(events: Sequence[_KeyEvent]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if events and events[0].type in BEGINS:
        values["seen_at"] = None  # until an event says that a person saw it
    for event in events:
        values["name"] = event.key_name
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


def _set_by(event: _KeyEvent) -> dict[str, Any]:
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
            values |= {"origin": ApiKey.Origin.DISCOVERED.value, "purpose": ""}
        case Event.KEY_RESCOPED:
            values["scopes"] = details["after"]
        case Event.KEY_CHANGED:
            values = {name: value for name, value in details["after"].items() if name in COMPARED}
    if "owner_id" in details:
        values["owner"] = int(details["owner_id"])
    return values


def _comparable(name: str, value: Any) -> Any:
    if name in _MOMENTS and isinstance(value, str):
        return datetime.fromisoformat(value)
    return sorted(value) if name == "scopes" else value


def _or(states: frozenset[str]) -> str:
    return " or ".join(repr(state) for state in sorted(states))


def _changed_people() -> Iterator[Contradiction]:
    people = {user.pk: user for user in User.objects.order_by("pk").iterator()}
    logged, newest = _people_in_log(people)
    for pk, facts in logged.items():
        user = people[pk]
        row = {
            "role": user.role_in_words,
            "may sign in": "yes" if user.is_active else "no",
            "in the workspace": "yes" if user.left_at is None else "no",
        }
        for name, value in facts.items():
            if name in row and row[name] != value and value != ERASED:
                words = f"{name} is {row[name]!r} in the row, and {value!r} according to the log."
                yield Contradiction(newest[pk], f"Person {user.cerby_id}: {words}")


def _people_in_log(people: dict[int, User]) -> tuple[dict[int, dict[str, str]], dict[int, int]]:
    """Return each person's values by the log, and the newest event about them, reading the newest first."""
    by_email = {user.email: pk for pk, user in people.items()}
    logged: dict[int, dict[str, str]] = defaultdict(dict)
    newest: dict[int, int] = {}
    rows = AuditEvent.objects.filter(type__in=PEOPLE_EVENTS, outcome="done").order_by("-id")
    columns = ("id", "type", "details", "personal")
    for event_id, kind, details, personal in rows.values_list(*columns).iterator(chunk_size=PAGE):
        shown = readable(details, personal)
        pk = by_email.get(shown["email"])
        if pk is None:
            continue  # erased, or the address belongs to nobody any more
        newest.setdefault(pk, event_id)
        after = {"role": shown["role"]} if kind == Event.PERSON_ADDED else shown["after"]
        for name, value in after.items():
            logged[pk].setdefault(name, value)
        earlier = shown.get("before", {}).get("email")
        if earlier and earlier != ERASED:
            by_email.setdefault(earlier, pk)
    return logged, newest
