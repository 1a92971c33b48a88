"""Find plans for keys of people who leave, and marks of grown reach, that contradict the audit log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q

from keys.evidence.contradiction import Contradiction
from keys.models import ApiKey, AuditEvent, LeaverPlan
from keys.rules.events import Event
from keys.rules.formatting import utc_microseconds
from keys.rules.lifecycle import Phase
from keys.tlog.leaf import readable

ABOUT_PLANS = (Event.KEY_PLANNED, Event.KEY_OWNER_LEFT)
ABOUT_REACH = (Event.KEY_REACH_GREW, Event.KEY_REACH_ACCEPTED)
PAGE = 500


def changed_plans() -> Iterator[Contradiction]:
    """Report only what is still found when everything is read again: a plan may change meanwhile."""
    yield from _found_twice(_plans)


def changed_reach() -> Iterator[Contradiction]:
    """Compare each mark that a key's reach has grown, and the time from which growth counts."""
    yield from _found_twice(_reach)


def _found_twice(differences: Any) -> Iterator[Contradiction]:
    found = list(differences())
    if found:
        again = set(differences())
        yield from (one for one in found if one in again)


def _plans() -> Iterator[Contradiction]:
    rows = LeaverPlan.objects.filter(key=OuterRef("key_id"))
    keys = ApiKey.objects.filter(pk=OuterRef("key_id"))
    planned = AuditEvent.objects.filter(type__in=ABOUT_PLANS, outcome="done", key_id__isnull=False)
    lost = planned.filter(Exists(keys)).exclude(Exists(rows)).order_by("id")
    newest = dict(lost.values_list("key_id", "id").iterator(chunk_size=PAGE))
    for key_id, event_id in newest.items():
        yield Contradiction(event_id, f"API key {key_id}: its plan in case the owner leaves was deleted.")
    after = UUID(int=0)
    while page := list(LeaverPlan.objects.filter(pk__gt=after).order_by("pk")[:PAGE]):
        events = _newest([plan.pk for plan in page], ABOUT_PLANS)
        for plan in page:
            event = events.get(plan.pk)
            for words in _wrong_plan(plan, event):
                yield Contradiction(event.pk if event else None, f"API key {plan.pk}: {words}")
        after = page[-1].pk


def _wrong_plan(plan: LeaverPlan, event: AuditEvent | None) -> Iterator[str]:
    if event is None:
        yield "it has a plan in case its owner leaves, and no event recorded it."
        return
    said = readable(event.details, event.personal)
    right = {"person": said["person"], "decision": said.get("decision", ""), "until": said.get("until", "")}
    right["next owner"] = (said.get("to") or {}).get("id", "")
    row = {
        "person": str(plan.person_id),
        "decision": plan.decision,
        "until": plan.until.isoformat() if plan.until else "",
        "next owner": str(plan.to_id or ""),
    }
    if event.type == Event.KEY_PLANNED:
        right["decided by"], row["decided by"] = str(event.actor_id or ""), str(plan.decided_by_id or "")
        if plan.open_since is not None:
            yield "the row says that somebody must decide, and the log that somebody has decided."
    elif plan.open_since is not None:  # without a person if the task is over
        right["assigned to"] = (said.get("assigned") or {}).get("id", "")
        row["assigned to"] = str(plan.assigned_id or "")
    for name, value in right.items():
        if row[name] != value:
            yield f"its plan: {name} is {row[name]!r} in the row, and {value!r} according to the log."


def _reach() -> Iterator[Contradiction]:
    grew = AuditEvent.objects.filter(key_id=OuterRef("pk"), type=Event.KEY_REACH_GREW, outcome="done")
    told = ApiKey.objects.filter(Q(reach_grew_at__isnull=False) | Exists(grew), phase=Phase.LIVE)
    after = UUID(int=0)
    while page := list(told.filter(pk__gt=after).order_by("pk")[:PAGE]):
        events = _newest([key.pk for key in page], ABOUT_REACH)
        for key in page:
            event = events.get(key.pk)
            words = _wrong_reach(key, event)
            if words:
                yield Contradiction(event.pk if event else None, f"API key {key.pk}: {words}")
        after = page[-1].pk


def _wrong_reach(key: ApiKey, event: AuditEvent | None) -> str:
    """Return a sentence, or "". A mark that is gone is no contradiction: the next count sets it again."""
    if event is None or event.type == Event.KEY_REACH_ACCEPTED:
        return "its reach is marked as grown, and no event says so." if key.reach_grew_at else ""
    since = utc_microseconds(key.reach_since) if key.reach_since else ""
    if since != event.details["since"]:
        return (
            f"its reach is compared since {since}, and since {event.details['since']} according to the log."
        )
    return ""


def _newest(keys: list[UUID], kinds: tuple[Event, ...]) -> dict[UUID | None, AuditEvent]:
    events = AuditEvent.objects.filter(key_id__in=keys, type__in=kinds, outcome="done").order_by("id")
    return {event.key_id: event for event in events}
