"""Return the tasks to rotate keys that a person has."""

from __future__ import annotations

from django.db.models import F, Q, QuerySet
from django.db.models.lookups import Exact, GreaterThan
from django.utils import timezone

from keys.models import RotationTask
from keys.rules.lifecycle import Phase
from keys.rules.permissions import Action, Actor
from keys.selectors.inventory.keyset import Unindexed

SHOWN = 100


def tasks_of_active_keys() -> QuerySet[RotationTask]:
    """Return the tasks, the soonest first. There are fewer of them than keys, so they lead."""
    phase, expiry = Unindexed(F("key__phase")), Unindexed(F("key__expires_at"))
    active = Exact(phase, Phase.LIVE), GreaterThan(expiry, timezone.now())
    return RotationTask.objects.filter(*active).order_by("due_on", "key_id")


def rotation_tasks_of(actor: Actor) -> list[RotationTask]:
    """Return the person's tasks, the soonest first. For admins, also those that are for any admin."""
    mine = Q(assigned_id=actor.user_id)
    if actor.may(Action.SEE_INVENTORY):
        mine |= Q(assigned=None)
    return list(tasks_of_active_keys().filter(mine).select_related("key__owner")[:SHOWN])
