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
    """Return the action that the change to ``scopes`` requires: widening needs more rights than narrowing."""
    return Action.WIDEN_KEY if widens(key.scopes, scopes) else Action.NARROW_KEY


def rescope_key(actor: Actor, key_id: UUID, scopes: Iterable[str]) -> ApiKey:
    """Set the scopes of ``key_id``, in Cerby and in the inventory, and return the key.

    Cerby is not called if the scopes are the same. Raises ``Invalid`` if a scope is unknown or none is
    chosen, ``Conflict`` if the key is not active, and ``CerbyError``.
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
    _store(actor, key, before, in_order(answer.scopes))
    return key


def _rescope_in_cerby(cerby_id: UUID, wanted: list[str]) -> cerby.UpstreamKey:
    """Return the changed key. If the answer is lost, read the key back and check its scopes."""
    client = cerby.connect()
    try:
        return client.rescope_key(cerby_id, wanted)
    except CerbyInDoubt:
        with suppress(CerbyError):  # report the first error, about the change itself
            current = client.key(cerby_id)
            if set(current.scopes) == set(wanted):
                return current
        raise


def _store(actor: Actor, key: ApiKey, before: list[str], after: list[str]) -> None:
    with transaction.atomic():
        ApiKey.objects.filter(pk=key.pk).update(scopes=after)
        log.append(Event.KEY_RESCOPED, actor=actor, key=key, before=before, after=after)
    key.scopes = after
