"""Move a key from one state to the next: one conditional UPDATE and its audit event, or neither."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from keys.audit import log
from keys.models import ApiKey
from keys.rules.errors import Conflict
from keys.rules.events import Event
from keys.rules.lifecycle import TRANSITIONS, State, Transition, due_at
from keys.rules.policy import Actor


def transition(
    key: ApiKey,
    step: Transition,
    event: Event,
    actor: Actor | None,
    *,
    holding: UUID | None = None,
    still: State | None = None,
    changes: dict[str, Any] | None = None,
    outcome: log.Outcome = log.Outcome.DONE,
    reason: str = "",
    **details: Any,
) -> None:
    """Take ``step`` if the key, in the database, is in a state that the step may start from.

    ``holding``: and only while this lease is on it. ``still``: and only from this state. ``changes``:
    further columns to set in the same statement; a lease that they do not set is cleared, and ``due_at``
    becomes what the new state wants. ``key`` is updated in place. Raises ``Conflict`` where somebody was
    faster; nothing has changed then.
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
    with transaction.atomic():
        if rows.update(**columns) != 1:
            raise Conflict("Somebody or something else has just changed this key. Look at it again.")
        log.append(event, actor=actor, key=key, outcome=outcome, reason=reason, **details)
    for name, value in columns.items():
        setattr(key, name, value)
