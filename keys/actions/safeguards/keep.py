"""Keep a key that the quarantine holds back, because it is in use."""

from __future__ import annotations

from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from keys import cerby
from keys.actions.people.confirm_role import authorize_now
from keys.actions.transition import transition
from keys.models import ApiKey, HeldBack, RevealGrant
from keys.rules.errors import CerbyNotFound, Conflict
from keys.rules.events import Event
from keys.rules.lifecycle import TRANSITIONS, State, Transition
from keys.rules.permissions import Action, Actor
from keys.selectors.health.safeguards import held_key_for


def keep_key(actor: Actor, key_id: UUID) -> ApiKey:
    """Make ``key_id`` an active key of the inventory again, after checking that it is active in Cerby.

    Raises ``NotFound`` if the key is not held back, ``CerbyError``, and ``Conflict`` if Cerby does not list
    it as active or another key has its name.
    """
    actor = authorize_now(actor, Action.KEEP_KEY)
    key = held_key_for(actor, key_id)
    sources, _ = TRANSITIONS[Transition.KEEP]
    if State(key.state) not in sources:
        raise Conflict("The deletion of this key has started, so it can no longer be kept.")
    upstream = _active_in_cerby(key)
    try:
        _store(actor, key, upstream)
    except IntegrityError as taken:
        raise Conflict(
            f"Another key is now called “{key}”. Delete or rename one of the two in Cerby first."
        ) from taken
    return key


def _active_in_cerby(key: ApiKey) -> cerby.UpstreamKey:
    client = cerby.connect()
    listed = client.keys_by_external_id(key.id)
    if not listed and key.cerby_id is not None:
        try:
            listed = [client.key(key.cerby_id)]
        except CerbyNotFound:
            listed = []
    for upstream in listed:
        if upstream.status == cerby.KeyStatus.ACTIVE:
            return upstream
    raise Conflict("Cerby no longer lists this key as active, so it cannot be kept.")


def _store(actor: Actor, key: ApiKey, upstream: cerby.UpstreamKey) -> None:
    now, id_, from_state = timezone.now(), str(upstream.id), key.state
    changes = {"cerby_id": upstream.id, "stored_at": now, "removed_at": None, "failure": ""}
    # Other keys may hold its name and its place in the lineage since; Cerby allows all of them.
    changes |= {"holds_name": None, "lineage": None, "generation": None}
    with transaction.atomic():
        transition(
            key, Transition.KEEP, Event.KEY_KEPT, actor, changes=changes, cerby_id=id_, from_state=from_state
        )
        RevealGrant.withdraw(key)
        HeldBack.objects.filter(pk=key.pk).delete()
