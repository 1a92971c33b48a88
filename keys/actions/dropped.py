"""Remember which values of a list from Cerby could not be read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from keys import cerby
from keys.models import DroppedValue

_Item = cerby.Person | cerby.UpstreamKey | cerby.UnreadableKey | cerby.UnreadableItem
PERSON, API_KEY, UNREAD_KEY = "person", "API key", "unread key"


@dataclass
class Dropped:
    """The unreadable values of one complete list, by attribute: how many, and an example's id."""

    kind: str
    found: dict[str, tuple[int, UUID]] = field(default_factory=dict)

    def add(self, items: Iterable[_Item]) -> None:
        for item in items:
            for name in item.unreadable:
                count, example = self.found.get(name, (0, item.id))
                self.found[name] = count + 1, example

    def store(self) -> None:
        """Replace what the last list of this kind showed."""
        now = timezone.now()
        rows = [
            DroppedValue(kind=self.kind, attribute=name, count=count, example=example, found_at=now)
            for name, (count, example) in self.found.items()
        ]
        with transaction.atomic():
            DroppedValue.objects.filter(kind=self.kind).delete()
            DroppedValue.objects.bulk_create(rows, ignore_conflicts=True)


def note_dropped(person: cerby.Person) -> None:
    """Remember the unreadable values of one person until the next complete list."""
    now = timezone.now()
    DroppedValue.objects.bulk_create(
        [
            DroppedValue(kind=PERSON, attribute=name, count=1, example=person.id, found_at=now)
            for name in person.unreadable
        ],
        ignore_conflicts=True,
    )
