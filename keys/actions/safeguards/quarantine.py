"""Start, end and check the quarantine, in which the portal lists keys instead of revoking them."""

from __future__ import annotations

from datetime import datetime

import structlog
from django.db import transaction
from django.utils import timezone

from keys.actions.people.confirm_role import authorize_now
from keys.audit import log
from keys.models import AuditEvent, HeldBack, Quarantine
from keys.rules.errors import Conflict
from keys.rules.events import Event
from keys.rules.permissions import Action, Actor

Cause = Quarantine.Cause

logger = structlog.get_logger(__name__)


def start_quarantine(cause: Cause, reason: str) -> bool:
    """Start the quarantine and return True, or return False if it is already on. ``reason`` is for people."""
    now = timezone.now()
    with transaction.atomic():
        Quarantine.objects.get_or_create(id=1)
        started = Quarantine.objects.filter(since__isnull=True).update(
            since=now, cause=cause, reason=reason[:500], silent_since=None
        )
        if started:
            log.append(Event.QUARANTINE_STARTED, actor=None, reason=reason, cause=cause.value)
    if started:
        logger.error("quarantine_started")
    return bool(started)


def end_quarantine(actor: Actor | None) -> int:
    """Let the portal revoke again. The next sweep revokes the held keys; return how many there are.

    ``actor`` is None on the command line. Raises ``Conflict`` if there is no quarantine.
    """
    if actor is not None:
        actor = authorize_now(actor, Action.END_QUARANTINE)
    now = timezone.now()
    with transaction.atomic():
        ended = Quarantine.objects.filter(since__isnull=False).update(
            since=None, cause="", reason="", silent_since=None
        )
        if not ended:
            raise Conflict("There is no quarantine to end. Another person may have ended it.")
        held = HeldBack.objects.filter(approved_at__isnull=True).update(approved_at=now)
        log.append(Event.QUARANTINE_ENDED, actor=actor, keys=held)
    return held


def may_revoke() -> bool:
    """Return whether the portal may revoke keys on its own.

    It may not during a quarantine, or between a time in which it did not run and the next complete sweep.
    """
    _restore_from_log()
    return not Quarantine.objects.exclude(since__isnull=True, silent_since__isnull=True).exists()


def _restore_from_log() -> None:
    """Turn the quarantine on again if somebody ended it in the database: the log says that it is on."""
    if _started_last() is None or Quarantine.objects.filter(since__isnull=False).exists():
        return
    with transaction.atomic():
        row = Quarantine.objects.select_for_update().get_or_create(id=1)[0]
        started = _started_last()  # nobody starts or ends it now
        if started is not None and row.since is None:
            cause = started.details.get("cause") or Cause.OPERATOR.value
            Quarantine.objects.update(since=started.at, cause=cause, reason=started.reason)
            logger.error("quarantine_restored")


def _started_last() -> AuditEvent | None:
    """Return the event that started the quarantine, unless it was ended after that."""
    events = AuditEvent.objects.filter(type__in=[Event.QUARANTINE_STARTED, Event.QUARANTINE_ENDED])
    newest = events.order_by("-at", "-id").first()
    return newest if newest and newest.type == Event.QUARANTINE_STARTED else None


def silent_since() -> datetime | None:
    """Return when the portal last ran if no sweep has completed since then, else None."""
    row = Quarantine.objects.filter(silent_since__isnull=False).first()
    return row.silent_since if row else None


def end_silence(silence: datetime | None, *, unaccounted: int = 0) -> None:
    """Record that a sweep or an operator has checked Cerby after ``silence``, the time the portal last ran.

    Start the quarantine if ``unaccounted`` keys show activity after that time: the database was restored.
    """
    if unaccounted:
        start_quarantine(
            Cause.UNKNOWN_KEYS,
            f"{unaccounted} keys were made or used in Cerby while this database says that the portal was not "
            "running: a backup was restored.",
        )
    if silence is not None:
        Quarantine.objects.filter(silent_since=silence).update(silent_since=None)
