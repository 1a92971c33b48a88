"""Take a key's access away in Cerby, and believe only what Cerby says of it afterwards."""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from keys import cerby
from keys.actions.transition import transition
from keys.audit import log
from keys.models import ApiKey, HeldBack
from keys.rules.errors import CerbyError, CerbyInDoubt, CerbyNotFound, Conflict
from keys.rules.events import Event
from keys.rules.lifecycle import QUICK_RETRIES, State, Transition, retry_after
from keys.rules.policy import Actor

REMOVED = "removed"

logger = structlog.get_logger(__name__)


def revoke_key(key: ApiKey, actor: Actor | None) -> None:
    """Take ``key`` from REVOKING to REVOKED; may be done again until it succeeds.

    Not an action of its own: whoever calls it has asked the policy. Raises ``CerbyError``, recorded,
    where Cerby did not confirm: the key may still work then, and is due again after a growing pause.
    """
    if key.cerby_id is None:
        raise Conflict("This key has no identifier in Cerby. Delete it in Cerby's own web app.")
    try:
        _delete_and_verify(key, key.cerby_id)
    except CerbyError as error:
        _note_failure(key, actor, error)
        raise
    with transaction.atomic():
        transition(
            key, Transition.CONFIRM_REVOKED, Event.KEY_DELETED, actor, changes={"removed_at": timezone.now()}
        )
        HeldBack.objects.filter(pk=key.pk).delete()


def _note_failure(key: ApiKey, actor: Actor | None, error: CerbyError) -> None:
    key.attempts += 1
    with transaction.atomic():
        ApiKey.objects.filter(pk=key.pk, state=State.REVOKING).update(
            attempts=F("attempts") + 1, due_at=timezone.now() + retry_after(key.attempts)
        )
        log.append(Event.KEY_DELETED, actor=actor, key=key, outcome=log.Outcome.FAILED, reason=error.sentence)
    if key.attempts >= QUICK_RETRIES:
        logger.error("revocation_is_stuck", key_id=str(key.id), count=key.attempts)


def _delete_and_verify(key: ApiKey, cerby_id: UUID) -> None:
    client = cerby.connect()
    cerby_id = _its_id(client, key) or cerby_id
    with suppress(CerbyNotFound, CerbyInDoubt):  # gone already, or perhaps done: what Cerby lists tells
        client.delete_key(cerby_id)
    try:
        listed = _listed(client, key, cerby_id)
    except CerbyError as error:
        raise CerbyInDoubt(f"Cerby has not confirmed the deletion. {error.sentence}") from error
    if any(key.status != REMOVED for key in listed):
        raise CerbyInDoubt("Cerby still lists this key as not removed. Delete it again in a moment.")


def _listed(client: cerby.CerbyClient, key: ApiKey, cerby_id: UUID) -> list[cerby.UpstreamKey]:
    try:
        return [client.key(cerby_id)]
    except CerbyNotFound:
        # A server that knows no such address says 404 as well: its list must answer, and not hold the key.
        return client.keys_by_external_id(key.id)


def _its_id(client: cerby.CerbyClient, key: ApiKey) -> UUID | None:
    """What Cerby lists under our own id: an answer that named another key must not cost that key its life."""
    if key.origin == ApiKey.Origin.GENERATED:
        with suppress(CerbyError):  # a list that fails does not keep a key alive
            return next((listed.id for listed in client.keys_by_external_id(key.id)), None)
    return None
