"""The quarantine: while it is on, the portal revokes nothing by itself and lists what it would have."""

from __future__ import annotations

from datetime import datetime

import structlog
from django.db import transaction
from django.utils import timezone

from keys.actions.people.refresh import with_confirmed_role
from keys.audit import log
from keys.audit.guard import authorize
from keys.models import ApiKey, HeldBack, Quarantine
from keys.rules.errors import Conflict
from keys.rules.events import Event
from keys.rules.policy import Action, Actor

Cause = Quarantine.Cause

logger = structlog.get_logger(__name__)


def start_quarantine(cause: Cause, reason: str) -> bool:
    """Whether this call began it: a quarantine that is on stays as it is. ``reason`` is for a person."""
    now = timezone.now()
    with transaction.atomic():
        Quarantine.objects.get_or_create(id=1)
        began = Quarantine.objects.filter(since__isnull=True).update(
            since=now, cause=cause, reason=reason[:500], silent_since=None
        )
        if began:
            log.append(Event.QUARANTINE_STARTED, actor=None, reason=reason, cause=cause.value)
    if began:
        logger.error("quarantine_started")
    return bool(began)


def end_quarantine(actor: Actor | None) -> int:
    """Let the portal revoke again, and the next sweep act on what was held back. Returns how many keys.

    ``actor`` is None for the operator's command. Raises ``NotAllowed``, and ``Conflict`` where none is on.
    """
    if actor is not None:
        actor = with_confirmed_role(actor)
        authorize(actor, Action.END_QUARANTINE)
    now = timezone.now()
    with transaction.atomic():
        ended = Quarantine.objects.filter(since__isnull=False).update(
            since=None, cause="", reason="", silent_since=None
        )
        if not ended:
            raise Conflict("There is no quarantine to end. Somebody else may have ended it.")
        held = HeldBack.objects.filter(approved_at__isnull=True).update(approved_at=now)
        log.append(Event.QUARANTINE_ENDED, actor=actor, keys=held)
    return held


def may_revoke() -> bool:
    """Whether the portal may revoke by itself: no quarantine, and Cerby was looked at since any silence."""
    return not Quarantine.objects.exclude(since__isnull=True, silent_since__isnull=True).exists()


def silent_since() -> datetime | None:
    """Since when the portal had not worked, where Cerby was not looked at since; None where it was."""
    row = Quarantine.objects.filter(silent_since__isnull=False).first()
    return row.silent_since if row else None


def compared(silence: datetime | None, *, unaccounted: int = 0) -> None:
    """Cerby's list was looked at since ``silence``; ``unaccounted`` keys in it contradict that silence."""
    if unaccounted:
        start_quarantine(
            Cause.UNKNOWN_KEYS,
            f"{unaccounted} keys were made or used in Cerby while this database says that the portal was not "
            "running: a backup was restored.",
        )
    if silence is not None:
        Quarantine.objects.filter(silent_since=silence).update(silent_since=None)


def held_back(key: ApiKey, reason: str) -> bool:
    """Whether ``key`` may not be revoked now; the quarantine's list says then that it would have been."""
    if may_revoke():
        return False
    if Quarantine.objects.filter(since__isnull=False).exists():
        row = HeldBack(key=key, reason=reason[:500], since=timezone.now())
        HeldBack.objects.bulk_create([row], ignore_conflicts=True)
    return True
