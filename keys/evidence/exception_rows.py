"""Find exceptions from the policy that contradict the audit log: changed, deleted, or never asked for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from keys.evidence.contradiction import Contradiction
from keys.models import AuditEvent, PolicyException
from keys.rules.batches import batches
from keys.rules.events import Event

State = PolicyException.State
_ABOUT = (Event.EXCEPTION_ASKED, Event.EXCEPTION_GRANTED, Event.EXCEPTION_DECLINED, Event.EXCEPTION_ENDED)
PAGE = 500
ATTEMPTS = 5
"""How often an exception is read again if it changes while it is compared."""


def changed_exceptions() -> Iterator[Contradiction]:
    """Compare each exception that an event asked for with its row, then find rows without such an event."""
    asked = AuditEvent.objects.filter(type=Event.EXCEPTION_ASKED, outcome="done").order_by("id")
    known: set[UUID] = set()
    for page in batches(asked.values_list("details", "key_id").iterator(chunk_size=PAGE), PAGE):
        for details, key_id in page:
            known.add(UUID(details["exception"]))
            yield from _compare(UUID(details["exception"]), key_id)
    for pk, key_id in PolicyException.objects.values_list("pk", "key_id").iterator(chunk_size=PAGE):
        if pk not in known:
            yield from _compare(pk, key_id)


def _compare(pk: UUID, key_id: UUID | None) -> Iterator[Contradiction]:
    """Read the events, the row and the events again until no event is appended meanwhile, then compare."""
    for _ in range(ATTEMPTS):
        before = _events(pk, key_id)
        row = PolicyException.objects.filter(pk=pk).first()
        events = _events(pk, key_id)
        if [event.pk for event in before] == [event.pk for event in events]:
            newest = events[-1] if events else None
            for words in _differences(row, events):
                yield Contradiction(newest.pk if newest else None, f"Exception {pk}: {words}")
            return


def _events(pk: UUID, key_id: UUID | None) -> list[AuditEvent]:
    about_key = AuditEvent.objects.filter(key_id=key_id, type__in=_ABOUT, outcome="done").order_by("id")
    return [event for event in about_key if event.details["exception"] == str(pk)]


def _differences(row: PolicyException | None, events: list[AuditEvent]) -> Iterator[str]:
    if not events:
        yield "no event recorded it."
        return
    if row is None:
        yield "its row was deleted."
        return
    asked, newest = events[0], events[-1]
    told = (asked.actor_id, asked.reason, asked.details["rule"], asked.details["days"], asked.key_id)
    if (row.asked_by_id, row.reason, row.rule, row.days, row.key_id) != told:
        yield "the key, the rule, the days, the person who asked or the reason was changed."
    granted = next((event for event in events if event.type == Event.EXCEPTION_GRANTED), None)
    state = _state(newest, is_granted=granted is not None)
    if row.state != state:
        yield f"it is {row.state} in its row, and {state} according to the log."
    elif granted is not None and row.decided_by_id != granted.actor_id:
        yield "another person granted it according to the log."
    elif granted is not None and row.ends_at is not None:
        until = datetime.fromisoformat(granted.details["until"])
        if newest.type == Event.EXCEPTION_ENDED:
            until = newest.at
        if row.ends_at > until:
            yield "it ends later than the log says."


def _state(newest: AuditEvent, *, is_granted: bool) -> str:
    if newest.type == Event.EXCEPTION_ENDED and not is_granted:
        return State.WITHDRAWN
    if newest.type == Event.EXCEPTION_DECLINED:
        return State.DECLINED
    return State.GRANTED if is_granted else State.ASKED
