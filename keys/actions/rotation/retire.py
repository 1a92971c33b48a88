"""Retire the old key of a rotation, with proof that nothing needs it any more, or without."""

from __future__ import annotations

from uuid import UUID

from keys.actions.people.confirm_role import authorize_now
from keys.actions.rotation.end import end_old_key
from keys.models import ApiKey
from keys.rules.errors import Conflict, Invalid
from keys.rules.events import Event
from keys.rules.permissions import Action, Actor
from keys.rules.rotation import Proof, RotationState
from keys.selectors.rotation.find import rotation_for
from keys.validation.text import check_reason


def retire_old_key(
    actor: Actor, rotation_id: UUID, *, without_proof: bool = False, reason: str = ""
) -> ApiKey:
    """Delete the old key and return it. If it is not quiet, ``without_proof`` and a reason are needed.

    Raises ``Invalid`` without them, ``Conflict`` if the new key is not stored yet or the rotation is over,
    and ``CerbyError``.
    """
    rotation = rotation_for(actor, rotation_id)
    actor = authorize_now(actor, Action.RETIRE_KEY, rotation.old)
    if not rotation.is_open:
        raise Conflict("This rotation is over already.")
    if rotation.state == RotationState.PREPARING:
        raise Conflict(
            "The new key is not stored yet, so the old one may still be needed. If it must stop working at "
            "once, choose Kill now."
        )
    proof = rotation.sight().proof
    if proof is not Proof.QUIET:
        if not without_proof:
            raise Invalid(
                without_proof="There is no proof that the old key is no longer used. Tick this box."
            )
        check_reason(reason)
    return end_old_key(actor, rotation, Event.ROTATION_RETIRED, proof, reason=reason)
