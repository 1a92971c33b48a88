"""Find tasks to rotate keys that contradict the audit log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from uuid import UUID

from django.db.models import Exists, OuterRef
from django.utils import timezone

from keys.evidence.contradiction import Contradiction
from keys.models import ApiKey, AuditEvent, RotationTask
from keys.rules.batches import batches
from keys.rules.events import Event
from keys.rules.lifecycle import Phase

_OF_TASKS = (Event.ROTATION_ASKED, Event.ROTATION_TASK_WITHDRAWN, Event.ROTATION_STARTED)
_AFTER_AN_END = (Event.KEY_KEPT, Event.KEY_REPAIRED)
"""A key that comes back has lost its task."""
PAGE = 500


def changed_rotation_tasks() -> Iterator[Contradiction]:
    """Report only what is still found when everything is read again: a task may end meanwhile."""
    found = list(_found())
    if found:
        again = set(_found())
        yield from (one for one in found if one in again)


def _found() -> Iterator[Contradiction]:
    yield from _deleted()
    after = UUID(int=0)
    while page := list(RotationTask.objects.filter(pk__gt=after).order_by("pk")[:PAGE]):
        events = _newest((task.pk for task in page), _OF_TASKS)
        for task in page:
            event = events.get(task.pk)
            for words in _wrong(task, event):
                yield Contradiction(event.pk if event else None, f"API key {task.pk}: {words}")
        after = page[-1].pk


def _deleted() -> Iterator[Contradiction]:
    rows = RotationTask.objects.filter(key=OuterRef("key_id"))
    keys = ApiKey.objects.filter(pk=OuterRef("key_id"), phase=Phase.LIVE, expires_at__gt=timezone.now())
    asked = AuditEvent.objects.filter(type=Event.ROTATION_ASKED, outcome="done", key_id__isnull=False)
    lost = (
        asked.filter(Exists(keys)).exclude(Exists(rows)).order_by("key_id").values_list("key_id", flat=True)
    )
    for page in batches(lost.distinct().iterator(chunk_size=PAGE), PAGE):
        for key_id, event in _newest(page, _OF_TASKS + _AFTER_AN_END).items():
            if event.type == Event.ROTATION_ASKED:
                yield Contradiction(event.pk, f"API key {key_id}: the task to rotate it was deleted.")


def _wrong(task: RotationTask, event: AuditEvent | None) -> Iterator[str]:
    if event is None or event.type != Event.ROTATION_ASKED:
        yield "somebody is asked to rotate it, and no event says so."
        return
    said = event.details
    right = {"day": said["due_on"], "person": (said.get("assigned") or {}).get("id", "")}
    row = {"day": task.due_on.isoformat(), "person": str(task.assigned_id or "")}
    if event.actor_id:  # the portal moves a task to another person
        right["asked by"], row["asked by"] = str(event.actor_id), str(task.asked_by_id)
    for name, value in right.items():
        if row[name] != value:
            yield f"the task to rotate it: {name} is {row[name]!r} in the row, and {value!r} in the log."


def _newest(key_ids: Iterable[UUID | None], kinds: tuple[Event, ...]) -> dict[UUID, AuditEvent]:
    events = AuditEvent.objects.filter(key_id__in=list(key_ids), type__in=kinds, outcome="done")
    return {event.key_id: event for event in events.order_by("id") if event.key_id}
