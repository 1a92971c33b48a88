"""Generate a key: intent first, one call to Cerby that is never retried, then seal the answer."""

from __future__ import annotations

import uuid
from contextlib import suppress
from uuid import UUID

from django.conf import settings
from django.db import DataError, IntegrityError, transaction
from django.utils import timezone

from keys import cerby
from keys.actions.keys.record_request import record_request
from keys.actions.keys.revoke import revoke_key
from keys.actions.people.refresh import with_confirmed_role
from keys.actions.safeguards.pause import begin_pause, check_pause
from keys.actions.transition import transition
from keys.audit import log
from keys.audit.guard import authorize
from keys.crypto import fingerprint, seal
from keys.models import ApiKey, RevealGrant
from keys.rules.errors import (
    CerbyError,
    CerbyInDoubt,
    CerbyKeyWithoutSecret,
    CerbyNeverReached,
    CerbyRefused,
    CerbyTooMany,
)
from keys.rules.events import Event
from keys.rules.lifecycle import LEASE, NEVER_CALLED_AFTER, REVEAL_WITHIN, Transition
from keys.rules.policy import Action, Actor
from keys.rules.scopes import in_order
from keys.validation.new_key import KeyRequest


def issue_key(actor: Actor, request: KeyRequest) -> UUID:
    """Generate the key that ``request`` describes, owned by ``actor``. Returns its id.

    The plain text leaves this function only sealed to ``request.tab_key``. Asking again with the same
    id, as a double click does, returns it without a second call. When Cerby's answer is lost the key
    stays "Pending"; nothing is raised, since the request may have been carried out.

    Raises ``NotAllowed``, ``Invalid``, ``CerbyRefused`` and ``CerbyNeverReached`` (nothing was made);
    ``CerbyPaused``, with nothing recorded, while Cerby wants no create.
    """
    actor = with_confirmed_role(actor)
    authorize(actor, Action.GENERATE_KEY)
    if not ApiKey.objects.filter(pk=request.id).exists():  # a double click leads to the key of the first
        check_pause()
    key, is_new = record_request(actor, request, due_at=timezone.now() + NEVER_CALLED_AFTER)
    if not is_new:
        return key.id
    lease = _take_lease(key, actor)
    _call_cerby(key, actor, request, lease)
    return key.id


def _take_lease(key: ApiKey, actor: Actor) -> UUID:
    lease = uuid.uuid4()
    until = timezone.now() + LEASE
    transition(key, Transition.CALL, Event.KEY_CALLED, actor, changes={"lease": lease, "lease_until": until})
    return lease


def _call_cerby(key: ApiKey, actor: Actor, request: KeyRequest, lease: UUID) -> None:
    try:
        issued = _ask_cerby(key, actor)
    except (CerbyNeverReached, CerbyRefused) as refusal:
        _refused(key, actor, lease, refusal.sentence)
        raise
    except CerbyKeyWithoutSecret as loss:
        changes = {"cerby_id": UUID(loss.upstream_id)}
        transition(key, Transition.LOSE_SECRET, Event.KEY_ANSWER_LOST, actor, holding=lease, changes=changes)
        with suppress(CerbyError):  # recorded; the key stays "removal unconfirmed" until it is deleted again
            revoke_key(key, actor)
    except CerbyInDoubt as doubt:
        transition(
            key, Transition.LOSE_ANSWER, Event.KEY_ANSWER_LOST, actor, holding=lease, reason=doubt.sentence
        )
    else:
        _keep_answer(key, actor, request, lease, issued)


def _ask_cerby(key: ApiKey, actor: Actor) -> cerby.IssuedKey:
    """The one POST, unless Cerby has asked for a pause meanwhile; a 429 begins one."""
    check_pause()
    try:
        return cerby.connect().issue_key(
            name=key.name,
            scopes=key.scopes,
            expires_at=key.expires_at,
            owner_id=actor.cerby_id,
            external_id=key.id,
        )
    except CerbyTooMany as too_many:
        raise begin_pause(too_many.retry_after) from too_many


def _keep_answer(
    key: ApiKey, actor: Actor, request: KeyRequest, lease: UUID, issued: cerby.IssuedKey
) -> None:
    try:
        _seal_and_store(key, actor, request, lease, issued)
    except (IntegrityError, DataError):
        # Such as the identifier of another key: the database is the second lock.
        reason = "Cerby's answer contradicts what the portal knows, so it was not kept."
        transition(key, Transition.LOSE_ANSWER, Event.KEY_ANSWER_LOST, actor, holding=lease, reason=reason)


def _refused(key: ApiKey, actor: Actor, lease: UUID, sentence: str) -> None:
    transition(
        key,
        Transition.REFUSE,
        Event.KEY_ISSUED,
        actor,
        holding=lease,
        changes={"failure": sentence[:500]},
        outcome=log.Outcome.FAILED,
        reason=sentence,
    )


def _seal_and_store(
    key: ApiKey, actor: Actor, request: KeyRequest, lease: UUID, issued: cerby.IssuedKey
) -> None:
    """Keep what may be kept: the sealed bytes, the fingerprint and the last four characters."""
    thumbprint = seal.thumbprint(request.tab_key)
    info = seal.reveal_info(
        workspace=settings.CERBY_WORKSPACE, key_id=key.id, user_id=actor.user_id, thumbprint=thumbprint
    )
    sealed = seal.seal(issued.secret, tab_key=request.tab_key, info=info)
    print_ = fingerprint.compute(issued.secret, peppers=settings.PORTAL_PEPPERS)
    last_four = fingerprint.last_four(issued.secret)
    scopes = in_order(issued.scopes)
    with transaction.atomic():
        transition(
            key,
            Transition.ANSWER,
            Event.KEY_ISSUED,
            actor,
            holding=lease,
            changes={
                "cerby_id": issued.id,
                "confirmed_at": timezone.now(),
                "scopes": scopes,
                "created_at": issued.created_at,
                "expires_at": issued.expires_at,
                "pepper_id": print_.pepper_id,
                "fingerprint": print_.digest,
                "last_four": last_four,
            },
            cerby_id=str(issued.id),
            scopes=scopes,
            expires_at=issued.expires_at.isoformat(),
            last_four=last_four,
        )
        RevealGrant.objects.create(
            key=key,
            user_id=actor.user_id,
            sealed=sealed,
            thumbprint=thumbprint,
            expires_at=timezone.now() + REVEAL_WITHIN,
        )
