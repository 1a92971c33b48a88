"""End a rotation by deleting its old key: the common part of ``retire`` and ``kill``."""

from __future__ import annotations

from django.db import transaction

from keys.actions.keys.delete import delete_key
from keys.actions.keys.revoke import start_revoking
from keys.actions.lineage.step import lock_as_it_is, take_step
from keys.models import ApiKey, Rotation
from keys.rules.events import Event
from keys.rules.lifecycle import PHASE, Phase, State
from keys.rules.permissions import Actor
from keys.rules.rotation import Proof, Step


def end_old_key(actor: Actor, rotation: Rotation, event: Event, proof: Proof, *, reason: str) -> ApiKey:
    """Record the end and the deletion of the old key together, then delete it in Cerby. Return the key.

    The caller has checked the permission. Raises ``CerbyError`` if Cerby does not confirm the deletion: the
    portal continues it, and so does the page **Delete API key**.
    """
    with transaction.atomic():
        old = ApiKey.objects.select_for_update(of=("self",), no_key=True).get(pk=rotation.old_id)
        lock_as_it_is(rotation)
        changes = {"proof": proof.value}
        take_step(rotation, Step.RETIRE, event, actor, changes=changes, reason=reason, proof=proof.value)
        if PHASE[State(old.state)] is Phase.LIVE:
            start_revoking(old, actor, reason=reason)
    return delete_key(actor, old.pk)
