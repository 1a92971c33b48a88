"""Delete a key, or cancel the request for one: a way out of every state."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from keys import cerby, wording
from keys.actions.revoke import revoke
from keys.audit import log
from keys.audit.events import Event
from keys.audit.guard import authorize
from keys.errors import Conflict
from keys.lifecycle import SETTLED_AFTER, Move, State
from keys.models import ApiKey, RevealGrant
from keys.moves import move
from keys.policy import Action, Actor
from keys.selectors.key import key_for


def delete(actor: Actor, key_id: UUID) -> ApiKey:
    """Make sure that ``key_id`` opens nothing any more. Returns the key as it is then.

    Doing it again goes on where the last attempt stopped. Raises ``Conflict`` where it is too early to
    tell, with the time to come back, and ``CerbyError`` where Cerby could not be asked: the key may
    still work then, and the inventory says so.
    """
    key = key_for(actor, key_id)
    authorize(actor, Action.DELETE_KEY, key)
    if key.state == State.REQUESTED:
        move(key, Move.CANCEL, Event.KEY_CANCELLED, actor)
    if key.state == State.CALLING:
        _give_up_waiting(key, actor)
    if key.state == State.IN_DOUBT:
        _look_up(key, actor)
    if key.state in {State.READY, State.CLAIMED, State.HELD}:
        _start(key, actor)
    if key.state == State.REVOKING:
        revoke(key, actor)
    return key


def _give_up_waiting(key: ApiKey, actor: Actor) -> None:
    now = timezone.now()
    if key.lease_until is not None and key.lease_until > now:
        seconds = int((key.lease_until - now).total_seconds()) + 1
        raise Conflict(f"Cerby is being asked for this key at this moment. Delete it in {seconds} seconds.")
    move(key, Move.LOSE_ANSWER, Event.KEY_ANSWER_LOST, actor)


def _look_up(key: ApiKey, actor: Actor) -> None:
    """Find out whether the lost request made a key. Presence counts at once, absence only when settled."""
    found = cerby.connect().keys_by_external_id(key.id)
    if found:
        changes = {"cerby_id": found[0].id}
        move(key, Move.FIND, Event.KEY_LOOKED_UP, actor, changes=changes, found=True)
        return
    settled_at = (key.lease_until or key.created_at) + SETTLED_AFTER
    if timezone.now() < settled_at:
        log.append(Event.KEY_LOOKED_UP, actor=actor, key=key, found=False)
        raise Conflict(
            "Cerby does not list this key. A lost request can still arrive late, so only "
            f"{wording.in_minutes(settled_at, timezone.now())} does that prove that no key was made. "
            "Delete it again then."
        )
    move(key, Move.FIND_ABSENT, Event.KEY_LOOKED_UP, actor, found=False)


def _start(key: ApiKey, actor: Actor) -> None:
    from_state = key.state
    with transaction.atomic():
        move(key, Move.REVOKE, Event.KEY_DELETION_STARTED, actor, from_state=from_state)
        RevealGrant.objects.filter(key=key, state=RevealGrant.GrantState.READY).update(
            state=RevealGrant.GrantState.GONE, sealed=None
        )
