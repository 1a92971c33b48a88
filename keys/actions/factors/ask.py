"""Ask a person to add a second factor, and note until when."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from keys.audit import log
from keys.models import User
from keys.rules.events import Event
from keys.rules.formatting import utc
from keys.rules.permissions import Actor


def ask_for_factor(actor: Actor) -> datetime:
    """Return the time after which ``actor`` can do nothing without a second factor.

    The grace period begins when the person is asked for the first time, which is recorded. If the clock was
    ahead then, they are asked anew, or the period would be longer by as much.
    """
    with transaction.atomic():
        user = User.objects.select_for_update().get(pk=actor.user_id)
        now = timezone.now()
        if user.factor_asked_at is None or user.factor_asked_at > now:
            user.factor_asked_at = now
            user.save(update_fields=["factor_asked_at"])
            log.append(Event.FACTOR_ASKED, actor=actor, until=utc(grace_ends(user.factor_asked_at)))
        return grace_ends(user.factor_asked_at)


def grace_ends(asked_at: datetime) -> datetime:
    return asked_at + timedelta(days=settings.PORTAL_MFA_GRACE_DAYS)
