"""Request a key that the person creates in Cerby's web app and pastes into the portal afterwards."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from django.db import transaction

from keys.actions.keys.record_request import record_request
from keys.actions.people.accountable import ownership_columns
from keys.actions.people.confirm_role import authorize_now
from keys.actions.transition import transition
from keys.models import ApiKey, User
from keys.rules.events import Event
from keys.rules.lifecycle import Transition
from keys.rules.permissions import Action, Actor
from keys.validation.new_key import KeyRequest


def await_paste(actor: Actor, request: KeyRequest) -> UUID:
    """Record ``request`` without calling Cerby, and return its id. A repeated request returns the same id.

    The expiry is cut to the minute, because Cerby's form accepts no seconds.
    """
    actor = authorize_now(actor, Action.GENERATE_APPROVED if request.under else Action.GENERATE_KEY)
    to_the_minute = replace(request, expires_at=request.expires_at.replace(second=0, microsecond=0))
    ownership = ownership_columns(request.ownership, default=User.objects.get(pk=actor.user_id))
    with transaction.atomic():
        key, is_new = record_request(actor, to_the_minute, origin=ApiKey.Origin.PASTED, **ownership)
        if is_new:
            transition(key, Transition.AWAIT_PASTE, Event.KEY_AWAITED, actor)
    return key.id
