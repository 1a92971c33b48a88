"""Kill the old key of a rotation at once, as after a leak, whatever the proofs say."""

from __future__ import annotations

from uuid import UUID

from keys.actions.people.confirm_role import authorize_now
from keys.actions.rotation.end import end_old_key
from keys.models import ApiKey
from keys.rules.errors import Conflict
from keys.rules.events import Event
from keys.rules.permissions import Action, Actor
from keys.selectors.rotation.find import rotation_for
from keys.validation.text import check_reason


def kill_old_key(actor: Actor, rotation_id: UUID, *, reason: str) -> ApiKey:
    """Delete the old key and return it. The new key may not even be stored.

    Raises ``Invalid`` without a reason, ``Conflict`` if the rotation is over, and ``CerbyError``.
    """
    rotation = rotation_for(actor, rotation_id)
    actor = authorize_now(actor, Action.RETIRE_KEY, rotation.old)
    if not rotation.is_open:
        raise Conflict("This rotation is over already.")
    check_reason(reason)
    return end_old_key(actor, rotation, Event.ROTATION_KILLED, rotation.sight().proof, reason=reason)
