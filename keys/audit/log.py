"""Append events to the audit log. Nothing else creates ``AuditEvent`` rows."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from keys.audit import chain
from keys.audit.key_texts import without_key_texts
from keys.models import ApiKey, AuditEvent
from keys.rules import scope_lists
from keys.rules.event_contents import DETAILS, DONE, IN_ANY_EVENT, OUTCOMES
from keys.rules.events import Event
from keys.rules.formatting import utc_microseconds
from keys.rules.permissions import Actor
from keys.tlog import leaf, mac_ratchet

Outcome = AuditEvent.Outcome
THE_PORTAL = "The portal"
LONGEST_REASON = 500
_QUEUED = (
    "SELECT leaf, mac FROM keys_auditevent JOIN keys_unsealed ON keys_unsealed.event_id = keys_auditevent.id "
    "WHERE keys_auditevent.id = %s"
)


class NotRecorded(IntegrityError):
    """The event is not in the log, so the action must fail."""


def append(
    event: Event,
    *,
    actor: Actor | None,
    key: ApiKey | None = None,
    outcome: Outcome = Outcome.DONE,
    reason: str = "",
    **details: Any,
) -> AuditEvent:
    """Append one event in the caller's transaction, so that the action fails if the event cannot be written.

    ``actor`` is None if the portal or its operator acted. ``details`` are JSON values without floats, never a
    secret. Raises ``NotRecorded`` if the database does not keep the event, and ``NotReady`` if this node has
    not got the key for MACs from another node yet. Raises ``ValueError`` for a detail that is not in
    ``DETAILS``, for an outcome that is not in ``OUTCOMES``, and for values that a leaf cannot hold, such as
    more than 8 KiB.
    """
    if actor and actor.part_of:
        details["part_of"] = actor.part_of
    unknown = details.keys() - DETAILS.get(event, frozenset()) - IN_ANY_EVENT
    if unknown:
        raise ValueError(f"{event} carries no {', '.join(sorted(unknown))}")
    if outcome not in OUTCOMES.get(event, DONE):
        raise ValueError(f"{event} is never {outcome}")
    event_in_clear = {
        "id": str(uuid.uuid4()),
        "at": utc_microseconds(timezone.now()),
        "type": f"{event}:{outcome}",
        "actor": _actor_fields(actor),
        "key": {"id": str(key.id), "name": key.name} if key else None,
        "reason": reason[:LONGEST_REASON],
        "details": scope_lists.with_room(details),
    }
    new = row(without_key_texts(event_in_clear))
    with transaction.atomic(savepoint=False):  # so that it is not sealed before it is checked
        try:
            new.save(force_insert=True)
        except TypeError as nothing_inserted:  # PostgreSQL returned no id, because a trigger dropped the row
            raise NotRecorded("The database did not keep the event.") from nothing_inserted
        _check_is_recorded(new)
    return new


def _check_is_recorded(new: AuditEvent) -> None:
    """Raise ``NotRecorded`` if something in the database threw the event away, or changed it."""
    with connection.cursor() as cursor:  # the ORM would take longer than the query
        cursor.execute(_QUEUED, [new.pk])
        queued = cursor.fetchone()
    if queued is None or (bytes(queued[0]), bytes(queued[1])) != (new.leaf, new.mac):
        raise NotRecorded("The database did not keep the event as it was written.")


def row(event: dict[str, Any]) -> AuditEvent:
    """Return an unsaved row for ``event``, which has the format of ``leaf.make``."""
    chain.require()
    made = leaf.make(event, leaf.new_salt())
    mac = mac_ratchet.mac(made.raw)
    kind, _, outcome = event["type"].rpartition(":")
    return AuditEvent(
        uid=uuid.UUID(event["id"]),
        leaf=made.raw,
        mac=mac.tag,
        mac_chain=mac.chain,
        mac_epoch=mac.epoch,
        at=datetime.fromisoformat(event["at"]),
        type=kind,
        outcome=outcome,
        **_actor_columns(event["actor"]),
        key_id=uuid.UUID(event["key"]["id"]) if event["key"] else None,
        key_name=event["key"]["name"] if event["key"] else "",
        reason=event["reason"],
        details=made.details,
        personal=made.personal,
        salt=made.salt,
    )


def _actor_fields(actor: Actor | None) -> dict[str, str] | None:
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
