"""Bring a key that nobody is looking after to rest: what the reconciler does with each state."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import structlog
from django.db import transaction
from django.utils import timezone

from keys import cerby
from keys.actions.keys.revoke import revoke_key
from keys.actions.safeguards.quarantine import held_back
from keys.actions.transition import transition
from keys.audit import log
from keys.models import ApiKey, RevealGrant
from keys.rules.errors import CerbyError, CerbyNotFound, Conflict
from keys.rules.events import Event
from keys.rules.lifecycle import LEASE, LOOK_AGAIN_AFTER, SETTLED_AFTER, State, Transition
from keys.rules.policy import Actor

BATCH = 100

logger = structlog.get_logger(__name__)


def reconcile_due() -> int:
    """Settle the keys that are due, at most ``BATCH`` of them. Returns how many were looked at.

    Each is tried on its own: what goes wrong with one does not keep the others waiting.
    """
    due = ApiKey.objects.filter(due_at__lte=timezone.now()).select_related("owner").order_by("due_at")
    taken = 0
    for key in list(due[:BATCH]):
        if _take(key):
            taken += 1
            _settle_or_say_why(key)
    return taken


def _take(key: ApiKey) -> bool:
    """Of several reconcilers the one that moves ``due_at`` on; should it die, the key is due again then."""
    later = timezone.now() + LEASE
    return ApiKey.objects.filter(pk=key.pk, state=key.state, due_at=key.due_at).update(due_at=later) == 1


def _settle_or_say_why(key: ApiKey) -> None:
    try:
        reconcile(key)
    except Exception:
        logger.exception("settling_failed", key_id=str(key.id))


def reconcile(key: ApiKey) -> None:
    """Take ``key``, which is due, one or more moves on; where Cerby does not answer, make it due later."""
    try:
        _STEPS[State(key.state)](key)
    except Conflict:
        pass  # somebody else has moved it; it is theirs
    except CerbyError:
        _look_again(key)


def _cancel(key: ApiKey) -> None:
    transition(key, Transition.CANCEL, Event.KEY_CANCELLED, None, reason="No process took the request up.")


def _nobody_pasted(key: ApiKey) -> None:
    reason = "Nobody pasted the key within 24 hours. If it was made in Cerby, delete it there."
    transition(key, Transition.CANCEL, Event.KEY_CANCELLED, None, reason=reason)


def _give_up_waiting(key: ApiKey) -> None:
    give_up_waiting(key, None)
    find_out(key, None)


def _find_out(key: ApiKey) -> None:
    find_out(key, None)


def _time_is_over(key: ApiKey) -> None:
    reason = "Nobody viewed the key within 15 minutes."
    if not held_back(key, reason):
        start_revoking(key, None, still=State.READY, reason=reason)
        revoke_key(key, None)


def _unconfirmed(key: ApiKey) -> None:
    """After 72 hours a viewed key that nobody confirmed is revoked, unless Cerby shows that it is used."""
    if key.cerby_id is None or _was_used(key):  # without Cerby's id its use cannot be seen
        _rest(key)
        return
    reason = "Never used, and nobody confirmed within 72 hours that it is stored."
    if not held_back(key, reason):
        start_revoking(key, None, still=State.CLAIMED, reason=reason)
        revoke_key(key, None)


def _was_used(key: ApiKey) -> bool:
    assert key.cerby_id is not None
    try:
        return cerby.connect().key(key.cerby_id).last_used_at is not None
    except CerbyNotFound:
        return False


def _revoke(key: ApiKey) -> None:
    if key.cerby_id is None:
        _rest(key)  # until a person says that it is deleted in Cerby's web app
    elif not held_back(key, "Its removal was begun, and Cerby has not confirmed it."):
        revoke_key(key, None)


def _rest(key: ApiKey) -> None:
    ApiKey.objects.filter(pk=key.pk, state=key.state).update(due_at=None)


_STEPS: dict[State, Callable[[ApiKey], None]] = {
    State.REQUESTED: _cancel,
    State.AWAITED: _nobody_pasted,
    State.CALLING: _give_up_waiting,
    State.IN_DOUBT: _find_out,
    State.READY: _time_is_over,
    State.CLAIMED: _unconfirmed,
    State.REVOKING: _revoke,
}


def give_up_waiting(key: ApiKey, actor: Actor | None) -> None:
    """The call's lease is over: whatever it still brings, its process may no longer store."""
    transition(key, Transition.LOSE_ANSWER, Event.KEY_ANSWER_LOST, actor)


def find_out(key: ApiKey, actor: Actor | None) -> None:
    """Ask Cerby whether a lost request made a key, and revoke it if so.

    Presence counts at once; absence only when it is settled. Until then the key stays IN_DOUBT.
    """
    found = cerby.connect().keys_by_external_id(key.id)
    if found and actor is None and held_back(key, "Its request was lost, and Cerby lists the key."):
        _look_again(key)
    elif found:
        changes = {"cerby_id": found[0].id}
        transition(key, Transition.FIND, Event.KEY_LOOKED_UP, actor, changes=changes, found=True)
        revoke_key(key, actor)
    elif timezone.now() >= settled_at(key):
        transition(key, Transition.FIND_ABSENT, Event.KEY_LOOKED_UP, actor, found=False)
    else:
        _look_again(key)
        if actor is not None:  # what a person asked is recorded; the reconciler asks every 30 seconds
            log.append(Event.KEY_LOOKED_UP, actor=actor, key=key, found=False)


def settled_at(key: ApiKey) -> datetime:
    """From when on Cerby's not listing the key proves that the lost request made none."""
    return (key.lease_until or key.created_at) + SETTLED_AFTER


def start_revoking(key: ApiKey, actor: Actor | None, *, still: State | None = None, reason: str = "") -> None:
    """Intent before effect: from here on the key is on its way out, whatever happens to this process.

    ``still``: only if that is its state, for a timer whose reason a view or a storing takes away.
    """
    event, from_state = Event.KEY_DELETION_STARTED, key.state
    with transaction.atomic():
        transition(key, Transition.REVOKE, event, actor, still=still, reason=reason, from_state=from_state)
        RevealGrant.withdraw(key)


def _look_again(key: ApiKey) -> None:
    """A key in REVOKING has its own, growing pause, which ``revoke`` has set."""
    if key.state != State.REVOKING:
        later = timezone.now() + LOOK_AGAIN_AFTER
        ApiKey.objects.filter(pk=key.pk, state=key.state).update(due_at=later)
