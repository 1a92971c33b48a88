"""List the events that an erasure has blanked, so that nobody can hide other blanks behind it."""

from __future__ import annotations

from collections.abc import Iterable

from keys.audit import log
from keys.models import AuditEvent
from keys.rules.batches import batches
from keys.rules.events import Event
from keys.rules.permissions import Actor
from keys.tlog.merkle import leaf_hash

IN_ONE_EVENT = 200
"""Leaf hashes of 32 digits; a leaf has room for about 220."""


def short_hash(leaf: bytes) -> str:
    """Return the first 16 bytes of the leaf hash: enough to name an event, and half as long."""
    return leaf_hash(leaf)[:16].hex()


def append_erasure(actor: Actor | None, person: str, leaves: Iterable[bytes]) -> None:
    """Record the erasure of ``person``, who was in the events with these ``leaves``: at least one event."""
    for batch in list(batches(map(short_hash, leaves), IN_ONE_EVENT)) or [[]]:
        log.append(Event.PERSON_ERASED, actor=actor, person=person, events=len(batch), leaves=batch)


def list_earlier_erasures() -> None:
    """List, once, the events that were blanked before erasures listed them. Reads the whole log then."""
    first = AuditEvent.objects.filter(type=Event.PERSON_ERASED).order_by("at", "id").first()
    if first is None or "leaves" in first.details or _are_listed():
        return
    blanked = AuditEvent.objects.filter(salt__isnull=True).order_by("id").values_list("leaf", flat=True)
    # A list, because SQLite writes nothing while a statement is read that began before somebody else wrote.
    hashes = [short_hash(bytes(leaf)) for leaf in blanked.iterator(chunk_size=IN_ONE_EVENT)]
    for batch in batches(hashes, IN_ONE_EVENT):
        log.append(Event.ERASED_LISTED, actor=None, events=len(batch), leaves=batch)


def _are_listed() -> bool:
    return AuditEvent.objects.filter(type=Event.ERASED_LISTED).exists()
