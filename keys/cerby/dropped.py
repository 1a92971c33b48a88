"""Remember which values of a list of vaults or secrets could not be read, for the Health page.

The lists of people and keys are remembered by the jobs that read them (keys.actions.dropped).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

from django.db import DatabaseError, transaction
from django.utils import timezone

from keys.cerby import wire
from keys.models import DroppedValue

KINDS = {wire.VAULTS: "vault", wire.SECRETS: "secret"}


def note_list(path: str, dropped: Sequence[tuple[UUID, str]]) -> None:
    """Replace what the last complete list at ``path`` showed. ``dropped``: id and attribute of each value."""
    kind = KINDS.get(path)
    if kind is None:
        return
    counts, examples = Counter(name for _, name in dropped), {name: id_ for id_, name in dropped}
    now = timezone.now()
    rows = [
        DroppedValue(kind=kind, attribute=name[:60], count=count, example=examples[name], found_at=now)
        for name, count in counts.items()
    ]
    with suppress(DatabaseError):  # the list itself matters more
        known = set(DroppedValue.objects.filter(kind=kind).values_list("attribute", "count"))
        if known != {(row.attribute, row.count) for row in rows}:
            with transaction.atomic():
                DroppedValue.objects.filter(kind=kind).delete()
                DroppedValue.objects.bulk_create(rows, ignore_conflicts=True)
