"""Call a rotation off: delete its new key, which nothing uses, and keep the old one."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from keys.actions.keys.delete import delete_key
from keys.actions.keys.revoke import start_revoking
from keys.actions.lineage.step import lock_as_it_is, take_step
from keys.actions.people.confirm_role import authorize_now
from keys.models import ApiKey, Rotation
from keys.rules.errors import Conflict
from keys.rules.events import Event
from keys.rules.lifecycle import ENDED, PHASE, Phase, State
from keys.rules.permissions import Action, Actor
from keys.rules.rotation import Step
from keys.selectors.rotation.find import rotation_for
from keys.validation.text import check_reason


def call_off(actor: Actor, rotation_id: UUID, *, reason: str) -> Rotation:
    """End the rotation and delete its new key, or cancel the request for it. Return the rotation.

    Raises ``Invalid`` without a reason, ``Conflict`` if the new key is in use or just being generated, and
    ``CerbyError`` if Cerby does not confirm the deletion, which the portal continues.
    """
    rotation = rotation_for(actor, rotation_id)
    actor = authorize_now(actor, Action.CHANGE_ROTATION, rotation.old)
    actor = authorize_now(actor, Action.DELETE_KEY, rotation.new)
    check_reason(reason)
    _check_is_unused(rotation)
    with transaction.atomic():
        new = ApiKey.objects.select_for_update(of=("self",), no_key=True).get(pk=rotation.new_id)
        lock_as_it_is(rotation)
        take_step(rotation, Step.CALL_OFF, Event.ROTATION_CALLED_OFF, actor, reason=reason)
        if PHASE[State(new.state)] is Phase.LIVE:
            start_revoking(new, actor, reason=reason)
    if new.state not in ENDED:
        delete_key(actor, new.pk)
    return rotation


def _check_is_unused(rotation: Rotation) -> None:
    if not rotation.is_open:
        raise Conflict("This rotation is over already.")
    if rotation.sight().new_used_at is not None:
        raise Conflict("The new key is in use, so the rotation cannot be called off. Retire the old key.")
    new = rotation.new
    if new.state == State.CALLING and new.lease_until is not None and new.lease_until > timezone.now():
        raise Conflict("Cerby is being asked for the new key at this moment. Try again in a minute.")
