"""Take a key's access away in Cerby, and believe only what Cerby says of it afterwards."""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

from django.utils import timezone

from keys import cerby
from keys.audit import log
from keys.audit.events import Event
from keys.errors import CerbyError, CerbyInDoubt, CerbyNotFound, Conflict
from keys.lifecycle import Move
from keys.models import ApiKey
from keys.moves import move
from keys.policy import Actor

REMOVED = "removed"


def revoke(key: ApiKey, actor: Actor) -> None:
    """Take ``key`` from REVOKING to REVOKED; may be done again until it succeeds.

    Not an action of its own: whoever calls it has asked the policy. Raises ``CerbyError``, recorded,
    where Cerby did not confirm: the key may still work then.
    """
    if key.cerby_id is None:
        raise Conflict("This key has no identifier in Cerby. Delete it in Cerby's own web app.")
    try:
        _delete_and_verify(key.id, key.cerby_id)
    except CerbyError as error:
        log.append(Event.KEY_DELETED, actor=actor, key=key, outcome=log.Outcome.FAILED, reason=error.sentence)
        raise
    move(key, Move.CONFIRM_REVOKED, Event.KEY_DELETED, actor, changes={"removed_at": timezone.now()})


def _delete_and_verify(key_id: UUID, cerby_id: UUID) -> None:
    client = cerby.connect()
    with suppress(CerbyNotFound, CerbyInDoubt):  # gone already, or perhaps done: what Cerby lists tells
        client.delete_key(cerby_id)
    try:
        listed = [client.key(cerby_id)]
    except CerbyNotFound:
        # A server that knows no such address says 404 as well: its list must answer, and not hold the key.
        listed = client.keys_by_external_id(key_id)
    if any(key.status != REMOVED for key in listed):
        raise CerbyInDoubt("Cerby still lists this key as not removed. Delete it again in a moment.")
