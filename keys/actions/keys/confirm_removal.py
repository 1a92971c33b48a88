"""A person says that they have deleted a key in Cerby's web app, where the portal cannot see it."""

from __future__ import annotations

from uuid import UUID

from django.utils import timezone

from keys.actions.transition import transition
from keys.audit.guard import authorize
from keys.models import ApiKey
from keys.rules.errors import Conflict
from keys.rules.events import Event
from keys.rules.lifecycle import State, Transition
from keys.rules.policy import Action, Actor
from keys.selectors.key.page import key_for


def confirm_removal(actor: Actor, key_id: UUID) -> ApiKey:
    """Take ``key_id`` to REVOKED on ``actor``'s word, recorded as that; doing it twice changes nothing.

    Only for a key of which Cerby's id is not known: of any other, Cerby is asked. Raises ``NotFound``,
    ``NotAllowed``, and ``Conflict`` where deleting was not started or Cerby can be asked.
    """
    key = key_for(actor, key_id)
    authorize(actor, Action.DELETE_KEY, key)
    if key.state == State.REVOKED:
        return key
    if key.state != State.REVOKING or key.cerby_id is not None:
        raise Conflict("This key is not waiting for somebody to delete it in Cerby's web app.")
    now = timezone.now()
    transition(
        key, Transition.CONFIRM_REVOKED, Event.KEY_REMOVAL_CONFIRMED, actor, changes={"removed_at": now}
    )
    return key
