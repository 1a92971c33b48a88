"""Rotate a key: generate its successor on the ordinary path, or let a person create it in Cerby's web app."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from django.conf import settings

from keys.actions.keys.await_paste import await_paste
from keys.actions.keys.issue import issue_key
from keys.actions.people.confirm_role import authorize_now
from keys.rules.permissions import Action, Actor
from keys.rules.rotation import Rotating
from keys.selectors.key.page import key_for
from keys.validation.new_key import KeyRequest


def start_rotation(actor: Actor, request: KeyRequest, rotating: Rotating) -> UUID:
    """Request the key that ``request`` describes as the successor of the old key, and return its id.

    The old key stays as it is, whatever happens to the request. Raises what ``issue_key`` and
    ``begin_rotation`` raise. A repeated request returns the same key.
    """
    old = key_for(actor, rotating.old)
    actor = authorize_now(actor, Action.ROTATE_KEY, old)
    if settings.CERBY_ISSUE_MODE == "assisted":
        return await_paste(actor, replace(request, rotates=rotating))
    return issue_key(actor, replace(request, rotates=rotating))
