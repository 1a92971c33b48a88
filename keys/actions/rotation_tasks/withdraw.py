"""Withdraw the task to rotate a key, which an admin asked for by mistake or does not need any more."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from keys.actions.lineage.end_task import end_rotation_task
from keys.actions.people.confirm_role import authorize_now
from keys.audit import log
from keys.models import ApiKey, RotationTask
from keys.rules.errors import Conflict
from keys.rules.events import Event
from keys.rules.permissions import Action, Actor
from keys.selectors.key.page import key_for


def withdraw_rotation_task(actor: Actor, key_id: UUID) -> None:
    """Take the task out of every inbox. Raises ``Conflict`` if there is none."""
    key = key_for(actor, key_id)
    actor = authorize_now(actor, Action.ASK_TO_ROTATE, key)
    with transaction.atomic():
        ApiKey.objects.select_for_update(of=("self",), no_key=True).get(pk=key.pk)
        if not RotationTask.objects.filter(key=key).exists():
            raise Conflict("Nobody is asked to rotate it.")
        end_rotation_task(key)
        log.append(Event.ROTATION_TASK_WITHDRAWN, actor=actor, key=key)
