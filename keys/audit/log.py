"""Append to the record of what happened. The only writer of ``AuditEvent``."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from keys.audit.events import DETAILS, Event
from keys.models import ApiKey, AuditEvent
from keys.policy import Actor

Outcome = AuditEvent.Outcome


def append(
    event: Event,
    *,
    actor: Actor | None,
    key: ApiKey | None = None,
    outcome: Outcome = Outcome.DONE,
    reason: str = "",
    **details: Any,
) -> None:
    """Add one event in the caller's transaction; where that fails, the act fails with it.

    ``actor`` is None for what the portal or its operator did. ``details`` are JSON values, never a
    secret; a name that ``DETAILS`` does not list raises ``ValueError``.
    """
    unknown = details.keys() - DETAILS.get(event, frozenset())
    if unknown:
        raise ValueError(f"{event} carries no {', '.join(sorted(unknown))}")
    AuditEvent.objects.create(
        at=timezone.now(),
        type=event.value,
        outcome=outcome,
        reason=reason[:500],
        details=details,
        **_who(actor),
        key_id=key.id if key else None,
        key_name=key.name if key else "",
    )


def _who(actor: Actor | None) -> dict[str, Any]:
    if actor is None:
        return {"actor_name": "The portal"}
    return {
        "actor_id": actor.user_id,
        "actor_name": actor.name,
        "actor_email": actor.email,
        "actor_role": actor.role.label,
        "ip": actor.ip,
        "browser": actor.browser,
    }
