"""Delete a key in Cerby, and read it back to verify that it is removed."""

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
from keys.models import ApiKey, HeldBack, RevealGrant
from keys.rules.errors import CerbyError, CerbyInDoubt, CerbyNotFound, Conflict
from keys.rules.events import Event
from keys.rules.lifecycle import QUICK_RETRIES, State, Transition, retry_after
from keys.rules.permissions import Actor

REMOVED = "removed"

logger = structlog.get_logger(__name__)


def start_revoking(key: ApiKey, actor: Actor | None, *, still: State | None = None, reason: str = "") -> None:
    """Record the deletion before Cerby is called, so that it continues if this process dies.

    A timer passes the state in which it found the key as ``still``, so that it does not delete a key that
    was viewed or stored meanwhile.
    """
    event, from_state = Event.KEY_DELETION_STARTED, key.state
    with transaction.atomic():
        transition(key, Transition.REVOKE, event, actor, still=still, reason=reason, from_state=from_state)
        RevealGrant.withdraw(key)


def revoke_key(key: ApiKey, actor: Actor | None) -> None:
    """Take ``key`` from REVOKING to REVOKED. This may be repeated until it succeeds.

    The caller has checked the permission. Raises ``CerbyError``, which is recorded, if Cerby does not confirm
    the removal. The key may still work then, and is due again after a growing pause. If another process,
    such as the worker, has removed the key meanwhile, nothing is recorded twice.
    """
    if key.cerby_id is None:
        raise Conflict("This key has no identifier in Cerby. Delete it in Cerby's own web app.")
    try:
        _delete_and_verify(key, key.cerby_id)
        with transaction.atomic():
            transition(
                key,
                Transition.CONFIRM_REVOKED,
                Event.KEY_DELETED,
                actor,
                changes={"removed_at": timezone.now()},
            )
            HeldBack.objects.filter(pk=key.pk).delete()
    except CerbyError as error:
        if not _record_failure(key, actor, error) and _is_removed_meanwhile(key):
            return
        raise
    except Conflict:
        if not _is_removed_meanwhile(key):
            raise


def _is_removed_meanwhile(key: ApiKey) -> bool:
    key.refresh_from_db(fields=["state", "removed_at", "due_at"])
    return key.state == State.REVOKED


def _record_failure(key: ApiKey, actor: Actor | None, error: CerbyError) -> bool:
    """Return whether the key still had to be deleted. If not, the failure says nothing about it."""
    key.attempts += 1
    with transaction.atomic():
        rows = ApiKey.objects.filter(pk=key.pk, state=State.REVOKING)
        due_at = timezone.now() + retry_after(key.attempts)
        if not rows.update(attempts=F("attempts") + 1, due_at=due_at):
            return False
        log.append(Event.KEY_DELETED, actor=actor, key=key, outcome=log.Outcome.FAILED, reason=error.sentence)
    if key.attempts >= QUICK_RETRIES:
        logger.error("revocation_is_stuck", key_id=str(key.id), count=key.attempts)
    return True


def _delete_and_verify(key: ApiKey, cerby_id: UUID) -> None:
    client = cerby.connect()
    cerby_id = _listed_id(client, key) or cerby_id
    with suppress(CerbyNotFound, CerbyInDoubt):  # reading the key back shows whether it is removed
        client.delete_key(cerby_id)
    try:
        listed = _read_back(client, key, cerby_id)
    except CerbyError as error:
        raise CerbyInDoubt(f"Cerby has not confirmed the deletion. {error.sentence}") from error
    if any(upstream.status != REMOVED for upstream in listed):
        raise CerbyInDoubt("Cerby still lists this key as not removed. Delete it again in a moment.")


def _read_back(client: cerby.CerbyClient, key: ApiKey, cerby_id: UUID) -> list[cerby.UpstreamKey]:
    try:
        return [client.key(cerby_id)]
    except CerbyNotFound:
        # A server without this endpoint answers 404 too. The key counts as removed only if the list lacks it.
        return client.keys_by_external_id(key.id)


def _listed_id(client: cerby.CerbyClient, key: ApiKey) -> UUID | None:
    """Return the id that Cerby lists for our external id, in case the stored id is another key's."""
    if key.origin == ApiKey.Origin.GENERATED:
        with suppress(CerbyError):  # if the list fails, delete by the stored id
            return next((listed.id for listed in client.keys_by_external_id(key.id)), None)
    return None
