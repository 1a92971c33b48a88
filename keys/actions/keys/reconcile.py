"""Take keys whose deadline has passed to their next state."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog
from django.utils import timezone

from keys import cerby
from keys.actions.keys.repair import repair_keys
from keys.actions.keys.revoke import revoke_key, start_revoking
from keys.actions.safeguards.hold_back import hold_back
from keys.actions.transition import transition
from keys.audit import log
from keys.models import ApiKey
from keys.rules.errors import CerbyError, CerbyNotFound, Conflict
from keys.rules.events import Event
from keys.rules.lifecycle import LEASE, LOOK_AGAIN_AFTER, SETTLED_AFTER, State, Transition
from keys.rules.permissions import Actor

BATCH = 100

logger = structlog.get_logger(__name__)


def reconcile_due() -> int:
    """Reconcile at most ``BATCH`` of the keys that are due, and return how many were processed.

    An error with one key is logged and does not stop the others.
    """
    due = ApiKey.objects.filter(due_at__lte=timezone.now()).select_related("owner").order_by("due_at")
    count = 0
    for key in list(due[:BATCH]):
        if _claim(key):
            count += 1
            try:
                reconcile(key)
            except Exception:
                logger.exception("reconciling_failed", key_id=str(key.id))
    return count


def _claim(key: ApiKey) -> bool:
    """Claim ``key`` by advancing ``due_at``. If this process dies, the key becomes due again."""
    later = timezone.now() + LEASE
    return ApiKey.objects.filter(pk=key.pk, state=key.state, due_at=key.due_at).update(due_at=later) == 1


def reconcile(key: ApiKey) -> None:
    """Take the next steps for ``key``, which is due. If Cerby does not answer, make it due later.

    If the row contradicts the log, restore it instead: its state may be one that revokes a live key. A row
    that no event explains stays as it is.
    """
    if repair_keys([key], must_be_known=True):
        return
    try:
        _STEPS[State(key.state)](key)
    except Conflict:
        pass  # another process or person has changed the key
    except CerbyError:
        _postpone(key)


def _cancel(key: ApiKey) -> None:
    transition(key, Transition.CANCEL, Event.KEY_CANCELLED, None, reason="The request was never processed.")


def _cancel_unpasted(key: ApiKey) -> None:
    reason = "Nobody pasted the key within 24 hours. If it was made in Cerby, delete it there."
    transition(key, Transition.CANCEL, Event.KEY_CANCELLED, None, reason=reason)


def _end_call(key: ApiKey) -> None:
    lose_answer(key, None)
    look_up_lost_key(key, None)


def _look_up(key: ApiKey) -> None:
    look_up_lost_key(key, None)


def _revoke_unviewed(key: ApiKey) -> None:
    reason = "Nobody viewed the key within 15 minutes."
    if not hold_back(key, reason):
        start_revoking(key, None, still=State.READY, reason=reason)
        revoke_key(key, None)


def _revoke_unconfirmed(key: ApiKey) -> None:
    """Revoke a viewed key that nobody confirmed within 72 hours, unless it was used."""
    # If only a person can delete the key in Cerby, the portal cannot see either whether it was used.
    if key.is_deleted_by_hand or _was_used(key):
        _clear_due_at(key)
        return
    reason = "Never used, and nobody confirmed within 72 hours that it is stored."
    if not hold_back(key, reason):
        start_revoking(key, None, still=State.CLAIMED, reason=reason)
        revoke_key(key, None)


def _was_used(key: ApiKey) -> bool:
    assert key.cerby_id is not None
    try:
        return cerby.connect().key(key.cerby_id).last_used_at is not None
    except CerbyNotFound:
        return False


def _continue_revoking(key: ApiKey) -> None:
    if key.is_deleted_by_hand:
        _clear_due_at(key)  # a person has to confirm that it is deleted in Cerby's web app
    elif not hold_back(key, "Its deletion was started, and Cerby has not confirmed it."):
        revoke_key(key, None)


def _clear_due_at(key: ApiKey) -> None:
    ApiKey.objects.filter(pk=key.pk, state=key.state).update(due_at=None)


_STEPS: dict[State, Callable[[ApiKey], None]] = {
    State.REQUESTED: _cancel,
    State.AWAITED: _cancel_unpasted,
    State.CALLING: _end_call,
    State.IN_DOUBT: _look_up,
    State.READY: _revoke_unviewed,
    State.CLAIMED: _revoke_unconfirmed,
    State.REVOKING: _continue_revoking,
}


def lose_answer(key: ApiKey, actor: Actor | None) -> None:
    """Take ``key`` to IN_DOUBT because its lease has expired. Its process can no longer store an answer."""
    transition(key, Transition.LOSE_ANSWER, Event.KEY_ANSWER_LOST, actor)


def look_up_lost_key(key: ApiKey, actor: Actor | None) -> None:
    """Ask Cerby whether a request without an answer created a key, and revoke that key.

    If Cerby lists no key, ``key`` stays IN_DOUBT until the request can no longer arrive late.
    """
    found = cerby.connect().keys_by_external_id(key.id)
    if found and actor is None and hold_back(key, "Its request was lost, and Cerby lists the key."):
        _postpone(key)
    elif found:
        changes = {"cerby_id": found[0].id}
        details: dict[str, Any] = {"found": True, "cerby_id": str(found[0].id)}
        transition(key, Transition.FIND, Event.KEY_LOOKED_UP, actor, changes=changes, **details)
        revoke_key(key, actor)
    elif timezone.now() >= absence_counts_from(key):
        transition(key, Transition.FIND_ABSENT, Event.KEY_LOOKED_UP, actor, found=False)
    else:
        _postpone(key)
        if actor is not None:  # record a person's look-up; the reconciler repeats its own every 30 seconds
            log.append(Event.KEY_LOOKED_UP, actor=actor, key=key, found=False)


def absence_counts_from(key: ApiKey) -> datetime:
    """Return the time from which Cerby's list without ``key`` proves that no key was created."""
    return (key.lease_until or key.created_at) + SETTLED_AFTER


def _postpone(key: ApiKey) -> None:
    if key.state != State.REVOKING:  # revoke_key has already set a growing pause
        later = timezone.now() + LOOK_AGAIN_AFTER
        ApiKey.objects.filter(pk=key.pk, state=key.state).update(due_at=later)
