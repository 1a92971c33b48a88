"""Delete a key, or cancel the request for it, in whatever state it is."""

from __future__ import annotations

from uuid import UUID

from django.utils import timezone

from keys.actions.keys.match_cerby_id import match_cerby_id
from keys.actions.keys.reconcile import absence_counts_from, look_up_lost_key, lose_answer
from keys.actions.keys.revoke import revoke_key, start_revoking
from keys.actions.people.confirm_role import authorize_now
from keys.actions.transition import transition
from keys.models import ApiKey
from keys.rules import formatting
from keys.rules.errors import Conflict
from keys.rules.events import Event
from keys.rules.lifecycle import State, Transition
from keys.rules.permissions import Action, Actor
from keys.selectors.key.page import key_for


def delete_key(actor: Actor, key_id: UUID) -> ApiKey:
    """Remove the access of ``key_id``, and return the key in its new state.

    Calling this again continues after the step that failed. If the portal does not know the key's Cerby id,
    the key stays in REVOKING until a person deletes it in Cerby's web app (see ``confirm_removal``).

    Raises ``Conflict``, with the time to try again, while it is unknown whether Cerby created the key, and
    ``CerbyError`` if Cerby does not answer. The key may still work then, and the inventory says so.
    """
    key = key_for(actor, key_id)
    actor = authorize_now(actor, Action.DELETE_KEY, key)
    if key.state in {State.REQUESTED, State.AWAITED}:
        transition(key, Transition.CANCEL, Event.KEY_CANCELLED, actor)
    if key.state == State.CALLING:
        _check_lease_is_over(key)
        lose_answer(key, actor)
    if key.state == State.IN_DOUBT:
        look_up_lost_key(key, actor)
        _check_is_resolved(key)
    if key.state in {State.READY, State.CLAIMED, State.HELD}:
        start_revoking(key, actor)
    if key.state == State.REVOKING and key.cerby_id is None:
        match_cerby_id(key, actor)
    if key.state == State.REVOKING and not key.is_deleted_by_hand:
        revoke_key(key, actor)
    return key


def _check_lease_is_over(key: ApiKey) -> None:
    now = timezone.now()
    if key.lease_until is not None and key.lease_until > now:
        seconds = int((key.lease_until - now).total_seconds()) + 1
        raise Conflict(f"Cerby is being asked for this key at this moment. Delete it in {seconds} seconds.")


def _check_is_resolved(key: ApiKey) -> None:
    if key.state == State.IN_DOUBT:
        moment = formatting.in_minutes(absence_counts_from(key), timezone.now())
        raise Conflict(
            "Cerby does not list this key, but the lost request may still reach it. If Cerby does not list "
            f"the key {moment} either, no key was made. The portal keeps checking."
        )
