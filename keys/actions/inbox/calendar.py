"""Make and end the secret address of a person's calendar."""

from __future__ import annotations

import hashlib
import secrets

from django.db import transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from keys.audit import log
from keys.models import CalendarFeed
from keys.rules.events import Event
from keys.rules.permissions import Actor

TOKEN_BYTES = 32


@sensitive_variables()
def make_calendar(actor: Actor) -> str:
    """Return the secret part of a new address. A former one no longer works. Nobody can read it again."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    hashed = hashlib.sha256(token.encode()).hexdigest()
    with transaction.atomic():
        CalendarFeed.objects.update_or_create(
            user_id=actor.user_id, defaults={"token_hash": hashed, "made_at": timezone.now()}
        )
        log.append(Event.CALENDAR_MADE, actor=actor)
    return token


def end_calendar(actor: Actor) -> None:
    """Let the address answer 404 from now on."""
    with transaction.atomic():
        if CalendarFeed.objects.filter(user_id=actor.user_id).delete()[0]:
            log.append(Event.CALENDAR_ENDED, actor=actor)
