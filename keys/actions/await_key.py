"""Ask for a key that the person then makes by hand in Cerby's web app: record it, and wait for the paste."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from django.db import transaction

from keys.actions.intent import requested
from keys.actions.refresh_person import with_confirmed_role
from keys.audit.events import Event
from keys.audit.guard import authorize
from keys.key_request import KeyRequest
from keys.lifecycle import Move
from keys.models import ApiKey
from keys.moves import move
from keys.policy import Action, Actor


def await_key(actor: Actor, request: KeyRequest) -> UUID:
    """Record ``request``, to be made in Cerby by ``actor``. Returns its id; sent twice, it is one request.

    Its expiry is cut to the minute, since that is what a person can enter. Cerby is not asked for
    anything. Raises ``NotAllowed`` and ``Invalid``.
    """
    actor = with_confirmed_role(actor)
    authorize(actor, Action.GENERATE_KEY)
    to_the_minute = replace(request, expires_at=request.expires_at.replace(second=0, microsecond=0))
    with transaction.atomic():
        key, is_new = requested(actor, to_the_minute, origin=ApiKey.Origin.PASTED)
        if is_new:
            move(key, Move.AWAIT_PASTE, Event.KEY_AWAITED, actor)
    return key.id
