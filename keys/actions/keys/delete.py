"""Delete a key, or cancel the request for one: a way out of every state."""

from __future__ import annotations

from uuid import UUID

from django.utils import timezone

from keys.actions.keys.match_cerby_id import match_cerby_id
from keys.actions.keys.reconcile import find_out, give_up_waiting, settled_at, start_revoking
from keys.actions.keys.revoke import revoke_key
from keys.actions.transition import transition
from keys.audit.guard import authorize
from keys.models import ApiKey
from keys.rules import formatting
from keys.rules.errors import Conflict
from keys.rules.events import Event
from keys.rules.lifecycle import State, Transition
from keys.rules.policy import Action, Actor
from keys.selectors.key.page import key_for


def delete_key(actor: Actor, key_id: UUID) -> ApiKey:
    """Make sure that ``key_id`` opens nothing any more. Returns the key as it is then.

    Doing it again goes on where the last attempt stopped. A key of which Cerby's id is not known stays
    REVOKING: a person has to delete it in Cerby's web app (keys.actions.keys.confirm_removal).

    Raises ``Conflict`` where it is too early to tell, with the time to come back, and ``CerbyError``
    where Cerby could not be asked: the key may still work then, and the inventory says so.
    """
    key = key_for(actor, key_id)
    authorize(actor, Action.DELETE_KEY, key)
    if key.state in {State.REQUESTED, State.AWAITED}:
        transition(key, Transition.CANCEL, Event.KEY_CANCELLED, actor)
    if key.state == State.CALLING:
        _wait_for_the_lease(key)
        give_up_waiting(key, actor)
    if key.state == State.IN_DOUBT:
        find_out(key, actor)
        _say_when_it_is_settled(key)
    if key.state in {State.READY, State.CLAIMED, State.HELD}:
        start_revoking(key, actor)
    if key.state == State.REVOKING and key.cerby_id is None:
        match_cerby_id(key, actor)
    if key.state == State.REVOKING and key.cerby_id is not None:
        revoke_key(key, actor)
    return key


def _wait_for_the_lease(key: ApiKey) -> None:
    now = timezone.now()
    if key.lease_until is not None and key.lease_until > now:
        seconds = int((key.lease_until - now).total_seconds()) + 1
        raise Conflict(f"Cerby is being asked for this key at this moment. Delete it in {seconds} seconds.")


def _say_when_it_is_settled(key: ApiKey) -> None:
    if key.state == State.IN_DOUBT:
        raise Conflict(
            "Cerby does not list this key. A lost request can still arrive late, so only "
            f"{formatting.in_minutes(settled_at(key), timezone.now())} does that prove that no key was made. "
            "The portal goes on looking by itself."
        )
