"""Take the steps of rotations that follow from what the portal sees of their keys. No key is deleted."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from keys.actions.lineage.step import take_step
from keys.actions.lineage.tell import tell_of_step
from keys.models import ApiKey, Rotation
from keys.models.rotation import IS_OPEN
from keys.rules.errors import Conflict
from keys.rules.events import Event
from keys.rules.rotation import RotationState, Sight, Step, next_step

PAGE = 200

logger = structlog.get_logger(__name__)

_EVENTS = {
    Step.USE_AGAIN: Event.ROTATION_USED_AGAIN,
    Step.USE_AGAIN_LATE: Event.ROTATION_USED_AGAIN,
    Step.MISS: Event.ROTATION_MISSED,
    Step.RETIRE: Event.ROTATION_RETIRED,
    Step.CALL_OFF: Event.ROTATION_CALLED_OFF,
}
_REASONS = {
    Step.RETIRE: "The old key has ended without this rotation.",
    Step.CALL_OFF: "The new key was lost, refused or removed. The old key was not touched.",
}


def advance(rotation: Rotation) -> int:
    """Take the steps that are possible now, and return their number. ``rotation`` has both keys."""
    count = 0
    while step := next_step(rotation.sight(), timezone.now()):
        _take(rotation, step)
        count += 1
    return count


def follow_key(key: ApiKey) -> None:
    """Advance the open rotation of ``key``, whose state has just changed, in the same transaction."""
    for rotation in _open().filter(Q(old=key) | Q(new=key)):
        with suppress(Conflict):  # the next run of the worker sees it
            advance(rotation)


def advance_due() -> int:
    """Advance the rotations whose key is about to be stored, and those whose overlap is over."""
    now = timezone.now()
    preparing = _open().filter(state=RotationState.PREPARING).order_by("started_at")
    late = _open().filter(overlap_until__lte=now).exclude(state=RotationState.OVERDUE)
    return _advance_each(list(preparing[:PAGE])) + _advance_each(
        list(late.exclude(state=RotationState.PREPARING).order_by("overlap_until")[:PAGE])
    )


def advance_all() -> int:
    """Advance every open rotation, after a sweep has read the last uses."""
    after, count = UUID(int=0), 0
    while page := list(_open().filter(pk__gt=after).order_by("pk")[:PAGE]):
        count += _advance_each(page)
        after = page[-1].pk
    return count


def _open() -> QuerySet[Rotation]:
    return Rotation.objects.filter(IS_OPEN).select_related("old", "new")


def _advance_each(rotations: list[Rotation]) -> int:
    count = 0
    for rotation in rotations:
        try:
            count += advance(rotation)
        except Conflict:
            pass  # another process or person has changed it
        except Exception:
            logger.exception("rotation_not_advanced", rotation_id=str(rotation.pk))
    return count


def _take(rotation: Rotation, step: Step) -> None:
    sight, now = rotation.sight(), timezone.now()
    changes, details = _noted(rotation, step, sight, now)
    event = _EVENTS.get(step, Event.ROTATION_ADVANCED)
    with transaction.atomic():
        take_step(rotation, step, event, None, changes=changes, reason=_REASONS.get(step, ""), **details)
        tell_of_step(rotation, step, sight)


def _noted(
    rotation: Rotation, step: Step, sight: Sight, now: datetime
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the columns and the details of the event about ``step``."""
    as_of = {"as_of": sight.old_seen_until.isoformat()} if sight.old_seen_until else {}
    match step:
        case Step.STORE:
            until = min(now + timedelta(seconds=rotation.overlap), rotation.old.expires_at)
            return {"stored_at": now, "overlap_until": until}, {"until": until.isoformat()}
        case Step.USE | Step.USE_LATE:
            used_at = sight.used_at or sight.cut_over_at
            return {"used_at": used_at}, {"used_at": used_at.isoformat() if used_at else "", **as_of}
        case Step.FALL_QUIET:
            return {"quiet_at": sight.old_seen_until}, as_of
        case Step.USE_AGAIN | Step.USE_AGAIN_LATE:
            used_at = sight.old_used_at
            changes = {"used_at": None, "quiet_at": None, "returned_at": used_at}
            return changes, {"used_at": used_at.isoformat() if used_at else "", **as_of}
        case Step.RETIRE:
            return {"proof": sight.proof.value}, {"proof": sight.proof.value}
        case _:
            return {}, {}
