"""Confirm that a person deleted a key in Cerby's web app, if the portal cannot check that itself."""

from __future__ import annotations

from uuid import UUID

from django.utils import timezone

from keys.actions.people.confirm_role import authorize_now
from keys.actions.transition import transition
from keys.models import ApiKey
from keys.rules.errors import Conflict
from keys.rules.events import Event
from keys.rules.lifecycle import State, Transition
from keys.rules.permissions import Action, Actor
from keys.selectors.key.page import key_for


def confirm_removal(actor: Actor, key_id: UUID) -> ApiKey:
    """Mark ``key_id`` as REVOKED because ``actor`` says that it is deleted. A second call changes nothing.

    Raises ``Conflict`` if the deletion was not started, or if the key's Cerby id is known: the portal then
    asks Cerby instead.
    """
    key = key_for(actor, key_id)
    actor = authorize_now(actor, Action.DELETE_KEY, key)
    if key.state == State.REVOKED:
        return key
    if key.state != State.REVOKING or not key.is_deleted_by_hand:
        raise Conflict("This key does not have to be deleted in Cerby's web app.")
    now = timezone.now()
    transition(
        key, Transition.CONFIRM_REVOKED, Event.KEY_REMOVAL_CONFIRMED, actor, changes={"removed_at": now}
    )
    return key
