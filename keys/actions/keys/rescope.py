"""Change the scopes of a live key."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from keys import cerby
from keys.actions.people.refresh import with_confirmed_role
from keys.audit import log
from keys.audit.guard import authorize
from keys.models import ApiKey
from keys.rules.errors import CerbyError, CerbyInDoubt, Conflict
from keys.rules.events import Event
from keys.rules.lifecycle import Status, status
from keys.rules.policy import Action, Actor
from keys.rules.scopes import in_order, widens
from keys.selectors.key.page import key_for
from keys.validation import new_key


def needs(key: ApiKey, scopes: Iterable[str]) -> Action:
    """Widening and narrowing are two actions, because a key acts as its owner."""
    return Action.WIDEN_KEY if widens(key.scopes, scopes) else Action.NARROW_KEY


def rescope_key(actor: Actor, key_id: UUID, scopes: Iterable[str]) -> ApiKey:
    """Give ``key_id`` exactly ``scopes``, in Cerby and here. Returns the key as it is then.

    Where that changes nothing, Cerby is not asked. Raises ``NotAllowed``, ``Invalid`` (none chosen, or
    unknown), ``Conflict`` (not active) and ``CerbyError``.
    """
    key = key_for(actor, key_id)
    wanted = in_order(scopes)
    action = needs(key, wanted)
    if action is Action.WIDEN_KEY:
        actor = with_confirmed_role(actor)
    authorize(actor, action, key)
    new_key.check_scopes(set(wanted) - set(key.scopes) or wanted)
    if key.cerby_id is None or status(key.phase, key.expires_at, timezone.now()) is not Status.ACTIVE:
        raise Conflict("Only an active key's scopes can be changed.")
    if wanted == key.scopes:
        return key
    before = key.scopes
    log.append(Event.KEY_RESCOPE_STARTED, actor=actor, key=key, before=before, after=wanted)
    try:
        answer = _rescope_in_cerby(key.cerby_id, wanted)
    except CerbyError as error:
        log.append(
            Event.KEY_RESCOPED,
            actor=actor,
            key=key,
            outcome=log.Outcome.FAILED,
            reason=error.sentence,
            before=before,
            after=wanted,
        )
        raise
    _keep(actor, key, before, in_order(answer.scopes))
    return key


def _rescope_in_cerby(cerby_id: UUID, wanted: list[str]) -> cerby.UpstreamKey:
    """Cerby's answer, or where that was lost, what Cerby says of the key afterwards, if it has the scopes."""
    client = cerby.connect()
    try:
        return client.rescope_key(cerby_id, wanted)
    except CerbyInDoubt:
        with suppress(CerbyError):  # what is worth telling is the change that is in doubt
            seen = client.key(cerby_id)
            if set(seen.scopes) == set(wanted):
                return seen
        raise


def _keep(actor: Actor, key: ApiKey, before: list[str], after: list[str]) -> None:
    with transaction.atomic():
        ApiKey.objects.filter(pk=key.pk).update(scopes=after)
        log.append(Event.KEY_RESCOPED, actor=actor, key=key, before=before, after=after)
    key.scopes = after
