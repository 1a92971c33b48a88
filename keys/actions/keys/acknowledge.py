"""Confirm that a key is stored in a safe place."""

from __future__ import annotations

from uuid import UUID

from django.utils import timezone

from keys.actions.transition import transition
from keys.audit.guard import authorize
from keys.rules.errors import Conflict
from keys.rules.events import Event
from keys.rules.lifecycle import State, Transition
from keys.rules.permissions import Action, Actor
from keys.selectors.key.page import key_for
from keys.selectors.policy.enforce import check_stored


def acknowledge_key(actor: Actor, key_id: UUID) -> None:
    """Record that ``key_id`` is stored. A second call changes nothing.

    Raises ``Conflict`` if the key was never viewed.
    """
    key = key_for(actor, key_id)
    authorize(actor, Action.REVEAL_KEY, key)
    if key.state == State.HELD:
        return
    if key.state != State.CLAIMED:
        raise Conflict("This key has not been viewed, so it cannot have been stored. View or copy it first.")
    check_stored(key)
    transition(
        key,
        Transition.STORE,
        Event.KEY_STORED,
        actor,
        changes={"stored_at": timezone.now()},
        how="confirmed by its owner",
    )
