"""Extend the overlap of a rotation."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.utils import timezone

from keys.actions.lineage.step import take_step
from keys.actions.people.confirm_role import authorize_now
from keys.models import Rotation
from keys.rules.errors import Conflict, Invalid
from keys.rules.events import Event
from keys.rules.permissions import Action, Actor
from keys.rules.rotation import RotationState, Step
from keys.selectors.rotation.find import rotation_for
from keys.validation.text import check_reason


def extend_overlap(actor: Actor, rotation_id: UUID, *, overlap: timedelta, reason: str) -> Rotation:
    """Let the overlap last for ``overlap`` from now on, but not longer than the old key. Return the rotation.

    Raises ``Invalid`` without a reason or if that is not later than before, and ``Conflict``.
    """
    rotation = rotation_for(actor, rotation_id)
    actor = authorize_now(actor, Action.CHANGE_ROTATION, rotation.old)
    check_reason(reason)
    if not rotation.is_open:
        raise Conflict("This rotation is over already.")
    if rotation.state == RotationState.PREPARING:
        raise Conflict("The overlap has not begun: it begins when the new key is stored.")
    until = min(timezone.now() + overlap, rotation.old.expires_at)
    if until <= rotation.overlap_until:
        raise Invalid(
            overlap="That is not later than the present end. The overlap cannot last longer than the old key."
        )
    step = Step.REOPEN if rotation.state == RotationState.OVERDUE else Step.EXTEND
    take_step(
        rotation,
        step,
        Event.ROTATION_EXTENDED,
        actor,
        changes={"overlap_until": until},
        reason=reason,
        former_until=rotation.overlap_until.isoformat(),
        until=until.isoformat(),
    )
    return rotation
