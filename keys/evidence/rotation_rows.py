"""Find rotations that contradict the audit log: changed, deleted, or never started by an event."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from keys.evidence.contradiction import Contradiction
from keys.evidence.logged_facts import CLOSE
from keys.models import AuditEvent, Rotation
from keys.rules.batches import batches
from keys.rules.events import Event
from keys.rules.rotation import RotationState

_ABOUT = tuple(event for event in Event if event.startswith("rotation:"))
_MOMENTS = frozenset({"started_at", "stored_at", "ended_at"})
"""A row has the time at which its change began, and the event the time at which it was written."""
PAGE = 500
ATTEMPTS = 5
"""How often a rotation is read again if it changes while it is compared."""


def changed_rotations() -> Iterator[Contradiction]:
    """Compare each rotation that an event started with its row, then find rows that no event started."""
    started = AuditEvent.objects.filter(type=Event.ROTATION_STARTED, outcome="done").order_by("id")
    for page in batches(started.values_list("details", "key_id").iterator(chunk_size=PAGE), PAGE):
        old_keys = {UUID(details["rotation"]): key_id for details, key_id in page if key_id}
        events = _events(set(old_keys.values()))
        rows = Rotation.objects.select_related("old", "new").in_bulk(list(old_keys))
        for rotation_id, key_id in old_keys.items():
            if list(_differences(rows.get(rotation_id), events[rotation_id])):
                yield from _compare_again(rotation_id, key_id)
    yield from _without_start()


def _without_start() -> Iterator[Contradiction]:
    after = UUID(int=0)
    while page := list(Rotation.objects.filter(pk__gt=after).order_by("pk").values_list("pk", "old")[:PAGE]):
        events = _events({key_id for _, key_id in page})
        for rotation_id, key_id in page:
            if not events.get(rotation_id):
                words = f"Rotation {rotation_id}: no event recorded it for its old key, {key_id}."
                yield Contradiction(None, words)
        after = page[-1][0]


def _compare_again(rotation_id: UUID, key_id: UUID) -> Iterator[Contradiction]:
    """Read the events, the row and the events again until no event is appended meanwhile, then compare."""
    for _ in range(ATTEMPTS):
        before = _events({key_id}).get(rotation_id, [])
        row = Rotation.objects.select_related("old", "new").filter(pk=rotation_id).first()
        events = _events({key_id}).get(rotation_id, [])
        if [event.pk for event in before] == [event.pk for event in events]:
            newest = events[-1]
            for words in _differences(row, events):
                name = f"Rotation {rotation_id} of the API key “{newest.key_name}”"
                yield Contradiction(newest.pk, f"{name}: {words}")
            return


def _events(key_ids: set[UUID]) -> dict[UUID, list[AuditEvent]]:
    """Return the events about rotations of these old keys, by rotation, oldest first."""
    found: dict[UUID, list[AuditEvent]] = {}
    for event in AuditEvent.objects.filter(key_id__in=key_ids, type__in=_ABOUT, outcome="done").order_by(
        "id"
    ):
        found.setdefault(UUID(event.details["rotation"]), []).append(event)
    return found


def _differences(row: Rotation | None, events: Sequence[AuditEvent]) -> Iterator[str]:
    if row is None:
        yield "its row was deleted."
        return
    for name, right in _logged(events).items():
        value = getattr(row, name)
        if not _agree(name, value, right):
            yield f"{name} is {_plain(value)} in its row, and {_plain(right)} according to the log."
    if row.is_open and not _are_neighbours(row):
        yield "its keys do not follow each other in one lineage."


def _logged(events: Sequence[AuditEvent]) -> dict[str, Any]:
    """Return the columns of a rotation that its events tell. Older events do not tell all of them."""
    start = events[0]
    said = start.details
    columns: dict[str, Any] = {
        "old_id": start.key_id,
        "new_id": UUID(said["new_key"]),
        "because": said["because"],
        "overlap": said["overlap"],
        "overlap_until": _moment(said["until"]),
        "started_by_id": start.actor_id,
        "started_at": start.at,
        **dict.fromkeys(("stored_at", "used_at", "quiet_at", "returned_at", "ended_at")),
        "proof": "",
    }
    if "quiet_after" in said:
        columns["quiet_after"] = said["quiet_after"]
    for event in events:
        columns |= _after(event)
    return columns


def _after(event: AuditEvent) -> dict[str, Any]:
    """Return the columns that the step of ``event`` sets."""
    said, state = event.details, event.details["after"]["state"]
    columns: dict[str, Any] = {"state": state}
    match event.type:
        case Event.ROTATION_ADVANCED if state == RotationState.OVERLAP:
            columns |= {"stored_at": event.at, "overlap_until": _moment(said["until"])}
        case Event.ROTATION_ADVANCED if state == RotationState.QUIET:
            columns["quiet_at"] = _moment(said.get("as_of"))
        case Event.ROTATION_ADVANCED:
            columns["used_at"] = _moment(said["used_at"])
        case Event.ROTATION_USED_AGAIN:
            columns |= {"used_at": None, "quiet_at": None, "returned_at": _moment(said["used_at"])}
        case Event.ROTATION_EXTENDED:
            columns["overlap_until"] = _moment(said["until"])
        case Event.ROTATION_RETIRED | Event.ROTATION_KILLED:
            columns |= {"proof": said["proof"], "ended_at": event.at}
        case Event.ROTATION_CALLED_OFF:
            columns["ended_at"] = event.at
    return columns


def _agree(name: str, value: Any, right: Any) -> bool:
    is_close = name in _MOMENTS and value is not None and right is not None
    return bool(abs(value - right) <= CLOSE if is_close else value == right)


def _are_neighbours(row: Rotation) -> bool:
    """Return whether the new key comes right after the old one. Ended rotations may lose their lineage."""
    old, new = row.old, row.new
    if old.lineage is None or old.generation is None:
        return False
    return (new.lineage, new.generation) == (old.lineage, old.generation + 1)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else repr(str(value) if value else value)
