"""End one's own sessions in other browsers."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from keys.audit import log
from keys.models import Session
from keys.rules.events import Event
from keys.rules.permissions import Actor


def sign_out_elsewhere(actor: Actor, *, here: str, only: UUID | None = None) -> int:
    """End the other sessions of ``actor``, or the one with the handle ``only``. Return their number.

    ``here`` is the key of the row of their present session, which stays. Everybody may do this. The next
    request of an ended session leads to the sign-in page, on all nodes.
    """
    others = Session.objects.filter(user_id=actor.user_id, expire_date__gt=timezone.now()).exclude(pk=here)
    if only is not None:
        others = others.filter(handle=only)
    with transaction.atomic():
        count = others.delete()[0]
        if count:
            log.append(Event.SESSIONS_CLOSED, actor=actor, count=count)
    return count
