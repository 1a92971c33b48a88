"""Keep the tasks to rotate keys with the people who answer for them now."""

from __future__ import annotations

from django.db import transaction
from django.db.models import F
from django.db.models.lookups import LessThanOrEqual
from django.utils import timezone

from keys.actions.notifications.settle import DONE
from keys.actions.rotation_tasks.ask import write_task
from keys.models import ApiKey, InboxItem, RotationTask
from keys.rules.notifications import Kind
from keys.rules.permissions import Actor
from keys.selectors.inventory.keyset import Unindexed
from keys.selectors.key.people_of_keys import COLUMNS, who_rotates

AT_ONCE = 500
CANNOT_SIGN_IN = "The person who was asked cannot sign in any more."


def assign_again(key: ApiKey, actor: Actor | None, reason: str = "") -> None:
    """Move the task of ``key``, if it has one, to the person who is to rotate it now.

    Call it in the transaction of the act that changes who answers for the key.
    """
    task = RotationTask.objects.filter(key=key).first()
    if task is None:
        return
    key = ApiKey.objects.select_related(*COLUMNS).get(pk=key.pk)
    person = who_rotates(key)
    if task.assigned_id != (person.pk if person else None):
        task.key, task.assigned, task.asked_at = key, person, timezone.now()
        if actor is not None:
            task.asked_by_id = actor.user_id
        write_task(task, actor, reason)


def keep_rotation_tasks() -> str:
    """Move the tasks of people who cannot sign in, and take those of expired keys out of the inboxes.

    A run moves a bounded number of tasks, and the next one continues. Return a summary.
    """
    expired = RotationTask.objects.filter(LessThanOrEqual(Unindexed(F("key__expires_at")), timezone.now()))
    items = InboxItem.objects.filter(
        notification__kind=Kind.ROTATION_ASKED, notification__key__in=expired.values("key")
    )
    items.exclude(state=DONE).update(state=DONE, done_at=timezone.now())
    gone = RotationTask.objects.filter(assigned__is_active=False).select_related("key")
    moved = list(gone[:AT_ONCE])
    for task in moved:
        with transaction.atomic():
            ApiKey.objects.select_for_update(of=("self",), no_key=True).get(pk=task.key_id)
            assign_again(task.key, None, CANNOT_SIGN_IN)
    return f"Rotation tasks moved: {len(moved)}"
