"""When Cerby asks for a pause (429), nobody sends another create until it is over: no process of any node."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from keys.audit import log
from keys.models import Pause
from keys.rules import formatting
from keys.rules.errors import CerbyPaused, CerbyTooMany
from keys.rules.events import Event

SHORTEST = timedelta(minutes=5)
"""Cerby (published): "retry in five minutes"; a Retry-After may make it longer, never shorter."""
LONGEST = timedelta(hours=1)


def begin_pause(retry_after: int) -> CerbyTooMany:
    """Cerby has just answered 429, with ``retry_after`` in seconds. A later end counts, an earlier does not.

    Returns the error that says so to a person.
    """
    now = timezone.now()
    until = now + min(max(SHORTEST, timedelta(seconds=retry_after)), LONGEST)
    over = Pause(what=Pause.What.CREATE, since=now - LONGEST, until=now)
    with transaction.atomic():
        Pause.objects.bulk_create([over], ignore_conflicts=True)
        if Pause.objects.filter(what=Pause.What.CREATE, until__lt=until).update(since=now, until=until):
            log.append(Event.PAUSE_STARTED, actor=None, until=until.isoformat())
    return CerbyTooMany(
        "Cerby did not generate the API key: it has been asked too often. "
        f"It asked us to wait: until {formatting.clock(until)}.",
        retry_after=round((until - now).total_seconds()),
    )


def check_pause() -> None:
    """Raise ``CerbyPaused`` while Cerby wants no create."""
    until = Pause.active_until()
    if until is not None:
        raise CerbyPaused(
            f"Cerby asked us to wait: until {formatting.clock(until)}. It was not asked for the key. "
            "Try again then.",
            retry_after=max(1, round((until - timezone.now()).total_seconds())),
        )
