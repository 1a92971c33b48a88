"""Find versions of the policy that contradict the audit log: changed, deleted, or never proposed."""

from __future__ import annotations

from collections.abc import Iterator

from keys.evidence.contradiction import Contradiction
from keys.models import AuditEvent, PolicyVersion
from keys.rules.events import Event
from keys.rules.policy.written import digest

State = PolicyVersion.State
ATTEMPTS = 5
"""How often a version is read again if it changes while it is compared."""
_STATES = {
    Event.POLICY_PROPOSED: State.PROPOSED,
    Event.POLICY_ACTIVATED: State.ACTIVE,
    Event.POLICY_DECLINED: State.DECLINED,
    Event.POLICY_WITHDRAWN: State.WITHDRAWN,
}


def changed_policies() -> Iterator[Contradiction]:
    """Compare each version with its events. There are few versions, because people make them."""
    numbers = set(PolicyVersion.objects.values_list("number", flat=True))
    for number in sorted(numbers | _events().keys()):
        yield from _compare(number)


def _compare(number: int) -> Iterator[Contradiction]:
    """Read the events, the row and the events again until no event is appended meanwhile, then compare."""
    for _ in range(ATTEMPTS):
        before = _events().get(number, [])
        row = PolicyVersion.objects.filter(number=number).first()
        events = _events().get(number, [])
        if [event.pk for event in before] == [event.pk for event in events]:
            for words in _differences(row, events):
                newest = events[-1].pk if events else None
                yield Contradiction(newest, f"Version {number} of the policy: {words}")
            return


def _events() -> dict[int, list[AuditEvent]]:
    """Return the events about each version, oldest first."""
    found: dict[int, list[AuditEvent]] = {}
    for event in AuditEvent.objects.filter(type__in=list(_STATES), outcome="done").order_by("id"):
        found.setdefault(event.details["version"], []).append(event)
    return found


def _differences(row: PolicyVersion | None, events: list[AuditEvent]) -> Iterator[str]:
    if not events:
        yield "no event recorded it."
        return
    if row is None:
        yield "its row was deleted."
        return
    newest = events[-1]
    if digest(row.document) != events[0].details["document_digest"]:
        yield "its document was changed."
    if row.author_id != events[0].actor_id or row.reason != events[0].reason:
        yield "its author or reason was changed."
    state = _STATES[Event(newest.type)]
    if row.state != state:
        yield f"it is {row.state} in its row, and {state} according to the log."
    elif (
        newest.type == Event.POLICY_ACTIVATED and row.needs_approval and row.decided_by_id != newest.actor_id
    ):
        yield "another person approved it according to the log."
    alone = newest.type == Event.POLICY_ACTIVATED and newest.details["alone"] == "yes"
    if row.alone != alone:
        yield "whether its author approved it alone was changed."
