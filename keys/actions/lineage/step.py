"""Take one step of a rotation and record it, both in one transaction."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from keys.actions.notifications.settle import settle
from keys.audit import log
from keys.models import Rotation
from keys.rules.errors import Conflict
from keys.rules.events import Event
from keys.rules.notifications import Kind
from keys.rules.permissions import Actor
from keys.rules.rotation import OPEN, STEPS, RotationState, Step

_SETTLING = frozenset({Step.RETIRE, Step.CALL_OFF, Step.REOPEN, Step.FALL_QUIET, Step.USE_AGAIN, Step.MISS})
"""The steps after which nobody needs to do what the portal asked for before."""


def take_step(
    rotation: Rotation,
    step: Step,
    event: Event,
    actor: Actor | None,
    *,
    changes: dict[str, Any] | None = None,
    reason: str = "",
    **details: Any,
) -> None:
    """Take ``step`` with one conditional UPDATE, and update ``rotation`` in place.

    The row must have the state and the deadline of ``rotation``, and ``step`` must be possible from there.
    Raises ``Conflict``, with nothing changed, if another process was faster. Lock the keys' rows, if at all,
    before that: a process that changes a key's state takes its row first, and then its rotation.
    """
    sources, target = STEPS[step]
    before = RotationState(rotation.state)
    after = target or before
    columns = {**(changes or {}), "state": after}
    if after not in OPEN:
        columns["ended_at"] = timezone.now()
    rows = Rotation.objects.filter(pk=rotation.pk, state=before, overlap_until=rotation.overlap_until)
    with transaction.atomic():
        if before not in sources or rows.update(**columns) != 1:
            raise Conflict("This rotation has just been changed. Reload the page and try again.")
        log.append(
            event,
            actor=actor,
            key=rotation.old,
            reason=reason,
            rotation=str(rotation.pk),
            new_key=str(rotation.new_id),
            before={"state": before.value},
            after={"state": after.value},
            **details,
        )
        if step in _SETTLING:
            settle(Kind.ROTATION_DUE, key=rotation.old)
    for name, value in columns.items():
        setattr(rotation, name, value)


def lock_as_it_is(rotation: Rotation) -> None:
    """Lock the row until the end of the transaction, and read its state and deadline again.

    So a step that is possible from every open state does not fail because the worker took another one.
    """
    now = Rotation.objects.select_for_update().get(pk=rotation.pk)
    rotation.state, rotation.overlap_until = now.state, now.overlap_until
