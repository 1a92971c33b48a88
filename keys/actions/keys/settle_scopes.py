"""Settle a change of scopes whose answer was lost: record it for the person who asked for it."""

from __future__ import annotations

import structlog
from django.db import transaction
from django.utils import timezone

from keys import cerby
from keys.actions.keys.repair import repair_keys
from keys.actions.reviews.void import follow_certificate
from keys.audit import log
from keys.models import ApiKey, AuditEvent, ScopeChange
from keys.rules.events import Event
from keys.rules.scope_lists import are_same
from keys.rules.scopes import in_order

logger = structlog.get_logger(__name__)

APPLIED_LATE = "Cerby's answer was lost. Cerby shows that the change was made."


def settle_scopes(key: ApiKey) -> None:
    """Read ``key`` in Cerby, if one of its changes was lost, and store and record its scopes.

    Raises ``CerbyError``.
    """
    ScopeChange.end_leases(key)
    if key.cerby_id is None or not ScopeChange.lost(key).exists():
        return
    scopes = in_order(cerby.connect().key(key.cerby_id).scopes)
    if key.scopes != scopes:
        repair_keys([key])
    with transaction.atomic():
        row = ApiKey.objects.select_for_update(of=("self",), no_key=True).get(pk=key.pk)
        if row.scopes == scopes or ScopeChange.is_running(row):
            return
        ApiKey.objects.filter(pk=row.pk).update(scopes=scopes)
        key.scopes = scopes
        if not record_lost_change(row, scopes):
            before, after = {"scopes": row.scopes}, {"scopes": scopes}
            log.append(Event.KEY_CHANGED, actor=None, key=row, before=before, after=after)
        follow_certificate(row.pk, None)


def record_lost_change(key: ApiKey, scopes: list[str]) -> bool:
    """Return whether somebody had asked for ``scopes``, and record that they changed them.

    ``key`` still has its earlier scopes. Call this in the transaction that stores the new ones.
    """
    lost = [change for change in ScopeChange.lost(key) if change.after == scopes]
    change = next((each for each in lost if _was_asked_for(each)), None)
    if change is None:
        return False
    change.delete()
    log.append(
        Event.KEY_RESCOPED,
        actor=change.actor.as_actor(),
        key=key,
        reason=APPLIED_LATE,
        before=key.scopes,
        after=scopes,
    )
    return True


def _was_asked_for(change: ScopeChange) -> bool:
    """Return whether the log says so. Somebody with the database could name another person in the row."""
    started = AuditEvent.objects.filter(key_id=change.key_id, type=Event.KEY_RESCOPE_STARTED)
    asked = started.filter(actor_id=change.actor_id).values_list("details", flat=True)
    if any(are_same(details.get("after", ()), change.after) for details in asked):
        return True
    logger.error("scope_change_not_in_log", key_id=str(change.key_id))
    return False


def forget_lost_changes() -> None:
    """Delete changes that Cerby has not applied within a day."""
    ScopeChange.objects.filter(until__lte=timezone.now() - ScopeChange.KEPT).delete()
