"""Revoke orphans: keys that are live in Cerby but have ended here."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

import structlog

from keys.actions.circuit_breaker import is_too_many, record_stop
from keys.actions.keys.revoke import revoke_key
from keys.actions.safeguards.hold_back import hold_back
from keys.actions.safeguards.quarantine import Cause, start_quarantine
from keys.actions.transition import transition
from keys.models import ApiKey, HeldBack
from keys.rules.errors import CerbyError, Conflict
from keys.rules.events import Event
from keys.rules.lifecycle import Transition

REASON = "Cerby lists this key as active, but it has ended here."

logger = structlog.get_logger(__name__)


def revoke_orphans(keys: Sequence[tuple[UUID, UUID]], *, listed: int) -> int:
    """Revoke ``keys``, pairs of our id and Cerby's id, and return how many were revoked.

    Start the quarantine instead if there are too many for the ``listed`` keys (see ``is_too_many``). Keys
    that a person approved by ending the last quarantine do not count.
    """
    approved = HeldBack.objects.filter(approved_at__isnull=False)
    _stop_if_too_many(keys, {held.key_id for held in approved} if keys else set(), listed)
    revoked = 0
    for key_id, cerby_id in keys:
        key = ApiKey.objects.select_related("owner").get(pk=key_id)
        if not hold_back(key, REASON):
            with suppress(Conflict, CerbyError):  # recorded; the reconciler goes on
                _revoke(key, cerby_id)
                revoked += 1
    approved.delete()
    return revoked


def _stop_if_too_many(keys: Sequence[tuple[UUID, UUID]], approved: set[UUID], listed: int) -> None:
    count = sum(key_id not in approved for key_id, _ in keys)
    if not is_too_many(count, listed):
        return
    reason = "Too many keys that have ended here are still active in Cerby. None was deleted."
    if start_quarantine(Cause.TOO_MANY, reason):
        record_stop(Event.SWEEP_STOPPED, reason, revocations=count, keys=listed)
    logger.error("sweep_stopped", count=count)


def _revoke(key: ApiKey, cerby_id: UUID) -> None:
    changes = {"cerby_id": cerby_id}
    transition(key, Transition.REAPPEAR, Event.KEY_DELETION_STARTED, None, changes=changes, reason=REASON)
    revoke_key(key, None)
