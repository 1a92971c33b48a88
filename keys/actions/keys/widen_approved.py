"""Add the scope of an approved request to its key."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from keys.actions.keys.rescope import rescope_key
from keys.actions.requests.decide import go_stale
from keys.models import AccessRequest, ApiKey
from keys.rules.errors import Conflict, NotAllowed, OutOfDate
from keys.rules.permissions import Actor
from keys.rules.requests import RequestKind, RequestState
from keys.selectors.requests.find import request_for
from keys.selectors.requests.page import why_not_use


def widen_approved(actor: Actor, request_id: UUID) -> ApiKey:
    """Add the scope as it was approved. If the key has it under this request already, do nothing.

    Raises ``Conflict`` if the request is not approved, was used, or is out of date: the key's scopes or its
    owner have changed, or more approvals are needed by now. Otherwise raises as ``rescope_key`` does.
    """
    request = request_for(actor, request_id)
    if request.kind != RequestKind.WIDEN:
        raise Conflict("This request is not for a scope.")
    if why_not := why_not_use(actor, request):
        raise NotAllowed(why_not, allowed=["the person who asked for it"])
    act = request.act
    try:
        return rescope_key(actor, UUID(act["key"]), act["scope"], on=True, under=request.pk)
    except OutOfDate as changed:
        with transaction.atomic():
            locked = AccessRequest.objects.select_for_update(of=("self",), no_key=True).get(pk=request.pk)
            if locked.state in {RequestState.APPROVED, RequestState.USED}:
                go_stale(actor, locked, changed.sentence)
        raise OutOfDate(f"{changed.sentence} Ask for approval again.") from changed
