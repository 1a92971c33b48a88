"""Stop a bulk action: no further key is begun."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from keys.audit import log
from keys.models import Selection
from keys.rules.events import Event
from keys.rules.permissions import Actor
from keys.selectors.bulk.selection import selection_for


def stop_bulk(actor: Actor, selection_id: UUID) -> None:
    """Stop the person's own action. A key that is being worked on is finished. A second call does nothing."""
    end(selection_for(actor, selection_id), actor)


def end(selection: Selection, actor: Actor | None, reason: str = "") -> None:
    """Stop the action. ``actor`` is None if the portal itself stops it, for ``reason``."""
    running = Selection.objects.filter(
        pk=selection.pk, started_at__isnull=False, finished_at=None, stopped_at=None
    )
    with transaction.atomic():
        if running.update(stopped_at=timezone.now(), stop_reason=reason[:500]):
            log.append(
                Event.BULK_STOPPED,
                actor=actor,
                act=selection.act,
                count=selection.count,
                reason=reason,
                part_of=str(selection.pk),
            )
