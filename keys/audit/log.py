"""Append to the record of what happened. The only writer of ``AuditEvent``."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.utils import timezone

from keys.models import ApiKey, AuditEvent
from keys.rules.events import DETAILS, DONE, OUTCOMES, Event
from keys.rules.formatting import utc_microseconds
from keys.rules.policy import Actor
from keys.tlog import leaf, mac_ratchet

Outcome = AuditEvent.Outcome
THE_PORTAL = "The portal"
LONGEST_REASON = 500


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

    ``actor`` is None for what the portal or its operator did. ``details`` are JSON values without floats,
    never a secret. Raises ``ValueError`` for a detail that ``DETAILS`` does not list, an outcome that
    ``OUTCOMES`` does not list, and what no leaf can hold, such as more than 8 KiB.
    """
    unknown = details.keys() - DETAILS.get(event, frozenset())
    if unknown:
        raise ValueError(f"{event} carries no {', '.join(sorted(unknown))}")
    if outcome not in OUTCOMES.get(event, DONE):
        raise ValueError(f"{event} is never {outcome}")
    said = {
        "id": str(uuid.uuid4()),
        "at": utc_microseconds(timezone.now()),
        "type": f"{event}:{outcome}",
        "actor": _who(actor),
        "key": {"id": str(key.id), "name": key.name} if key else None,
        "reason": reason[:LONGEST_REASON],
        "details": details,
    }
    row(said).save(force_insert=True)


def row(said: dict[str, Any]) -> AuditEvent:
    """The row of an event that ``said`` describes in clear, as ``leaf.make`` wants it; not yet saved."""
    made = leaf.make(said, leaf.new_salt())
    mac = mac_ratchet.mac(made.raw)
    kind, _, outcome = said["type"].rpartition(":")
    return AuditEvent(
        uid=uuid.UUID(said["id"]),
        leaf=made.raw,
        mac=mac.tag,
        mac_chain=mac.chain,
        mac_epoch=mac.epoch,
        at=datetime.fromisoformat(said["at"]),
        type=kind,
        outcome=outcome,
        **_actor_columns(said["actor"]),
        key_id=uuid.UUID(said["key"]["id"]) if said["key"] else None,
        key_name=said["key"]["name"] if said["key"] else "",
        reason=said["reason"],
        details=made.details,
        personal=made.personal,
        salt=made.salt,
    )


def _who(actor: Actor | None) -> dict[str, str] | None:
    if actor is None:
        return None
    return {
        "id": str(actor.user_id),
        "role": actor.role.label,
        "name": actor.name,
        "email": actor.email,
        "ip": actor.ip,
        "browser": actor.browser,
    }


def _actor_columns(actor: dict[str, str] | None) -> dict[str, Any]:
    if actor is None:
        return {"actor_name": THE_PORTAL}
    return {
        "actor_id": int(actor["id"]),
        "actor_name": actor["name"],
        "actor_email": actor["email"],
        "actor_role": actor["role"],
        "ip": actor["ip"],
        "browser": actor["browser"],
    }
