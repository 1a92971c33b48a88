"""Return the last verification of the audit log, and the one that is running."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.utils import timezone

from keys.audit.guard import authorize
from keys.models import Sealed, Verification
from keys.rules.permissions import Action, Actor
from keys.selectors.health.damage import Damage, damage_found_by, last_verification, result_was_changed
from keys.tlog.checkpoint import vkeys

_EVENT = re.compile(r"events? (\d{1,18})(?: to \d+)?")
CLOCKS_DIFFER_BY = timedelta(minutes=5)
GIVEN_UP_AFTER = timedelta(hours=6)
"""A verification that has not ended by then has lost its worker."""


@dataclass(frozen=True)
class Verifications:
    """``last``: the newest verification that has ended, which found ``damage``.

    ``shown``: the damage, each with the id of its first event, if that is in the database.
    ``may_explain``: some of it has no explanation yet, and the actor may add one. ``vkeys``: our public keys.
    ``is_changed``: somebody has changed or deleted the stored result of a verification.
    """

    running: Verification | None
    last: Verification | None
    damage: list[Damage]
    shown: list[tuple[Damage, UUID | None]]
    may_explain: bool
    vkeys: list[str]
    is_changed: bool

    @property
    def is_explained(self) -> bool:
        return all(each.explanation for each in self.damage)


def verifications(actor: Actor) -> Verifications:
    """Raise ``NotAllowed`` if the actor may not verify the audit log."""
    authorize(actor, Action.VERIFY_RECORD)
    last = last_verification()
    damage = damage_found_by(last)
    may_explain = any(each.explanation is None for each in damage) and actor.may(Action.EXPLAIN_DAMAGE)
    changed = result_was_changed(last)
    return Verifications(running(), last, damage, _with_events(damage), may_explain, vkeys(), changed)


def _with_events(damage: list[Damage]) -> list[tuple[Damage, UUID | None]]:
    indexes = {each.name: int(found[1]) for each in damage if (found := _EVENT.fullmatch(each.where))}
    if not indexes:
        return [(each, None) for each in damage]
    rows = Sealed.objects.filter(index__in=set(indexes.values())).values_list("index", "event__uid")
    uids = dict(rows)
    return [(each, uids.get(indexes.get(each.name, -1))) for each in damage]


def running() -> Verification | None:
    """Return the verification that is running. One from the future is not: its row was changed."""
    now = timezone.now()
    recent = Verification.objects.filter(
        asked_at__gt=now - GIVEN_UP_AFTER, asked_at__lte=now + CLOCKS_DIFFER_BY
    )
    return recent.filter(finished_at=None).order_by("-id").first()
