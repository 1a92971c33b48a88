"""How the record was found to be when it was last verified, and whether that is going on now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from keys.audit.check import vkeys
from keys.audit.guard import authorize
from keys.models import Verification
from keys.policy import Action, Actor

GIVEN_UP_AFTER = timedelta(hours=6)
"""A verification that has not ended by then never will: its worker is gone."""


@dataclass(frozen=True)
class Verifications:
    """``running``: the one that has not ended; ``last``: the newest that has. ``vkeys``: our public keys."""

    running: Verification | None
    last: Verification | None
    vkeys: list[str]


def verifications(actor: Actor) -> Verifications:
    """Raises ``NotAllowed``."""
    authorize(actor, Action.VERIFY_RECORD)
    newest = Verification.objects.order_by("-id")
    return Verifications(running(), newest.filter(finished_at__isnull=False).first(), vkeys())


def running() -> Verification | None:
    since = timezone.now() - GIVEN_UP_AFTER
    return Verification.objects.filter(finished_at=None, asked_at__gt=since).order_by("-id").first()
