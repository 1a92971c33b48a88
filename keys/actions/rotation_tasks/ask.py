"""Ask somebody to rotate a key by a day. Starting the rotation ends the task."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from uuid import UUID

from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from keys.actions.lineage.begin import check_can_rotate
from keys.actions.notifications.notify import notify
from keys.actions.notifications.settle import settle
from keys.actions.people.confirm_role import authorize_now
from keys.audit import log
from keys.models import ApiKey, Reminder, RotationTask, User
from keys.rules import formatting
from keys.rules.events import Event
from keys.rules.notifications import Kind
from keys.rules.permissions import ADMINS, Action, Actor, refusal
from keys.rules.visible import named
from keys.rules.working_days import A_DAY, last_working_day
from keys.selectors.key.page import key_for
from keys.selectors.key.people_of_keys import COLUMNS, who_rotates

REMINDED = "rotate"
"""The kind of the reminder on the day itself (keys.jobs.reminders)."""


def ask_for_rotation(actor: Actor, key_id: UUID, due_on: date) -> RotationTask:
    """Give the accountable person the task, or the backup, the owner, or any admin. Return the task.

    It is due earlier if the key expires before ``due_on``. A former task for the key is replaced; the same
    one is asked for only once. Raises ``Conflict`` if the key cannot be rotated, or is being rotated.
    """
    key = key_for(actor, key_id)
    actor = authorize_now(actor, Action.ASK_TO_ROTATE, key)
    with transaction.atomic():
        locked = ApiKey.objects.select_for_update(of=("self",), no_key=True)
        key = locked.select_related(*COLUMNS).get(pk=key.pk)
        now = timezone.now()
        check_can_rotate(key, now)
        expires = formatting.in_local_time(key.expires_at).date()
        last = last_working_day(expires - A_DAY, timezone.localdate(now))
        former = RotationTask.objects.filter(key=key).first()
        new = RotationTask(
            key=key,
            assigned=who_rotates(key),
            due_on=min(due_on, last),
            asked_by_id=actor.user_id,
            asked_at=now,
        )
        if former is None or _facts(former) != _facts(new):
            write_task(new, actor)
    return new


def _facts(task: RotationTask) -> tuple[int | None, date, int]:
    return task.assigned_id, task.due_on, task.asked_by_id


def write_task(task: RotationTask, actor: Actor | None, reason: str = "") -> None:
    """Store ``task`` instead of the former one, record it and put it into inboxes. Nothing is mailed.

    Call it in a transaction, with the row of the key locked.
    """
    key, person = task.key, task.assigned
    settle(Kind.ROTATION_ASKED, key=key)
    Reminder.objects.filter(key=key, kind=REMINDED).delete()
    RotationTask.objects.filter(key=key).delete()
    task.save(force_insert=True)
    log.append(
        Event.ROTATION_ASKED,
        actor=actor,
        key=key,
        reason=reason,
        due_on=task.due_on.isoformat(),
        assigned={"id": str(person.pk), "email": person.email} if person else None,
    )
    why_not = (
        refusal(replace(person.as_actor(), role_is_stale=False), Action.ROTATE_KEY, key) if person else ""
    )
    notify(
        Kind.ROTATION_ASKED,
        words=f"Rotate “{named(key.name)}” by {formatting.spoken_day(task.due_on)}.",
        text=f"{why_not} Ask somebody who may." if why_not else "",
        path=reverse("keys:key" if why_not else "keys:rotate", args=[key.pk]),
        to=[person] if person else User.objects.filter(is_active=True, role__in=ADMINS).order_by("pk"),
        key=key,
        mail=False,
        channels=False,
    )
