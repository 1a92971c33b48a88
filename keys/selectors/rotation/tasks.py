"""Return the tasks to rotate keys that a person has."""

from __future__ import annotations

from django.db.models import Q
from django.utils import timezone

from keys.models import RotationTask
from keys.rules.lifecycle import Phase
from keys.rules.permissions import Action, Actor

SHOWN = 100


def rotation_tasks_of(actor: Actor) -> list[RotationTask]:
    """Return the person's tasks, the soonest first. For admins, also those that are for any admin."""
    mine = Q(assigned_id=actor.user_id)
    if actor.may(Action.SEE_INVENTORY):
        mine |= Q(assigned=None)
    tasks = RotationTask.objects.filter(mine, key__phase=Phase.LIVE, key__expires_at__gt=timezone.now())
    return list(tasks.select_related("key__owner").order_by("due_on", "key_id")[:SHOWN])
