"""Return one request, if the person may see it."""

from __future__ import annotations

from uuid import UUID

from keys.models import AccessRequest
from keys.rules.errors import NotFound
from keys.rules.permissions import Action, Actor


def request_for(actor: Actor, request_id: UUID) -> AccessRequest:
    """Return the request. Raise ``NotFound`` unless it is the actor's own, or the actor sees all keys."""
    people = ("requester", "offered_by", "reviewed_by")
    request = AccessRequest.objects.select_related(*people).filter(pk=request_id).first()
    if request is None or not (request.requester_id == actor.user_id or actor.may(Action.SEE_INVENTORY)):
        raise NotFound("There is no such request, or you may not see it.")
    return request
