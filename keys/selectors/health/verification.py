"""How the record was found to be when it was last verified, and whether that is going on now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from keys.audit.guard import authorize
from keys.audit.self_check import vkeys
from keys.models import Verification
from keys.rules.policy import Action, Actor
from keys.selectors.health.damage import Found, found_by, last_verification

GIVEN_UP_AFTER = timedelta(hours=6)
"""A verification that has not ended by then never will: its worker is gone."""


@dataclass(frozen=True)
class Verifications:
    """``running``: the one that has not ended; ``last``: the newest that has, and the ``damage`` it found.

    ``may_explain``: something of it is not explained yet, and the actor may. ``vkeys``: our public keys.
    """

    running: Verification | None
    last: Verification | None
    damage: list[Found]
    may_explain: bool
    vkeys: list[str]

    @property
    def is_explained(self) -> bool:
        return all(found.explanation for found in self.damage)


def verifications(actor: Actor) -> Verifications:
    """Raises ``NotAllowed``."""
    authorize(actor, Action.VERIFY_RECORD)
    last = last_verification()
    damage = found_by(last)
    may_explain = any(found.explanation is None for found in damage) and actor.may(Action.EXPLAIN_DAMAGE)
    return Verifications(running(), last, damage, may_explain, vkeys())


def running() -> Verification | None:
    since = timezone.now() - GIVEN_UP_AFTER
    return Verification.objects.filter(finished_at=None, asked_at__gt=since).order_by("-id").first()
