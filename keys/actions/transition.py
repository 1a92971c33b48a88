"""Change a key's state and record the change, both in one transaction. A rotation of the key follows."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from keys.actions.lineage.advance import follow_key
from keys.actions.lineage.end_task import end_rotation_task
from keys.actions.notifications.settle import settle
from keys.audit import log
from keys.models import ApiKey
from keys.rules.errors import Conflict
from keys.rules.events import Event
from keys.rules.lifecycle import PHASE, TRANSITIONS, Phase, State, Transition, due_at
from keys.rules.notifications import Kind
from keys.rules.permissions import Actor


def transition(
    key: ApiKey,
    step: Transition,
    event: Event,
    actor: Actor | None,
    *,
    holding: UUID | None = None,
    still: State | None = None,
    having: dict[str, Any] | None = None,
    changes: dict[str, Any] | None = None,
    outcome: log.Outcome = log.Outcome.DONE,
    reason: str = "",
    **details: Any,
) -> None:
    """Take ``step`` with one conditional UPDATE, and update ``key`` in place.

    The row must be in one of the states that ``step`` may start from. If ``holding`` is given, the row must
    also have this lease; if ``still`` is given, it must be in this state; if ``having`` is given, it must
    have these values. ``changes`` are further columns
    for the same statement. Unless they say otherwise, the lease is cleared and ``due_at`` is set to the
    new state's deadline. Raises ``Conflict``, with nothing changed, if another process was faster.
    """
    sources, target = TRANSITIONS[step]
    columns = {
        "lease": None,
        "attempts": 0,
        "due_at": due_at(target, timezone.now()),
        **(changes or {}),
        "state": target,
    }
    rows = ApiKey.objects.filter(pk=key.pk, state__in=sources)
    if holding is not None:
        rows = rows.filter(lease=holding)
    if still is not None:
        rows = rows.filter(state=still)
    rows = rows.filter(**(having or {}))
    with transaction.atomic():
        if rows.update(**columns) != 1:
            raise Conflict("This key has just been changed. Reload the page and try again.")
        log.append(event, actor=actor, key=key, outcome=outcome, reason=reason, **details)
        if PHASE[target] == Phase.REMOVED:
            settle(Kind.ROTATION_DUE, Kind.REMOVAL_DUE, key=key)
            end_rotation_task(key)
        if key.lineage is not None:
            follow_key(key)
    for name, value in columns.items():
        setattr(key, name, value)
