"""Pause the creation of keys, in every process, after Cerby has answered 429."""

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
"""Cerby (published): "retry in five minutes". A Retry-After may make it longer, never shorter."""
LONGEST = timedelta(hours=1)


def begin_pause(retry_after: int) -> CerbyTooMany:
    """Start or extend the pause for ``retry_after`` seconds, and return the error to raise.

    A pause is never shortened.
    """
    now = timezone.now()
    until = now + min(max(SHORTEST, timedelta(seconds=retry_after)), LONGEST)
    # Create the row if it is missing, as a pause that ends now, so that the UPDATE below finds it.
    ended = Pause(what=Pause.What.CREATE, since=now - LONGEST, until=now)
    with transaction.atomic():
        Pause.objects.bulk_create([ended], ignore_conflicts=True)
        if Pause.objects.filter(what=Pause.What.CREATE, until__lt=until).update(since=now, until=until):
            log.append(Event.PAUSE_STARTED, actor=None, until=until.isoformat())
    return CerbyTooMany(
        "Cerby did not generate the API key, because it received too many requests. "
        f"It asked the portal to wait until {formatting.clock(until)}.",
        retry_after=round((until - now).total_seconds()),
    )


def check_pause() -> None:
    """Raise ``CerbyPaused`` during a pause."""
    until = Pause.active_until()
    if until is not None:
        raise CerbyPaused(
            f"Cerby asked the portal to wait until {formatting.clock(until)}. No request was sent. "
            "Try again then.",
            retry_after=max(1, round((until - timezone.now()).total_seconds())),
        )
