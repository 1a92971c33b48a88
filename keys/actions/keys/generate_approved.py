"""Generate the key of an approved request."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from django.conf import settings
from django.db import transaction

from keys.actions.keys.await_paste import await_paste
from keys.actions.keys.issue import issue_key
from keys.actions.people.confirm_role import authorize_now
from keys.actions.requests.decide import go_stale
from keys.actions.requests.use import check_unused
from keys.models import AccessRequest
from keys.rules.errors import Conflict, NotAllowed, OutOfDate
from keys.rules.permissions import Action, Actor
from keys.rules.requests import RequestKind, RequestState
from keys.selectors.key.page import key_for
from keys.selectors.requests.find import request_for
from keys.selectors.requests.needs import approvals_for
from keys.selectors.requests.page import why_not_use
from keys.validation.frozen_request import thawed
from keys.validation.new_key import KeyRequest


def generate_approved(actor: Actor, request_id: UUID, *, key_id: UUID, tab_key: bytes) -> UUID:
    """Generate the key as it was approved, and return its id. A repeated call returns the same key.

    Raises ``Conflict`` if the request is not approved, was used, or is out of date: the person's role has
    changed, or more approvals are needed by now. Otherwise raises as ``issue_key`` does.
    """
    request = request_for(actor, request_id)
    if request.kind != RequestKind.GENERATE:
        raise Conflict("This request is not for a key.")
    if why_not := why_not_use(actor, request):
        raise NotAllowed(why_not, allowed=["the person who asked for it"])
    check_unused(request, key_id)
    actor = authorize_now(actor, Action.GENERATE_APPROVED)
    wanted = thawed(request.act, key_id=key_id, tab_key=tab_key, under=request.pk)
    if request.requester_id != actor.user_id and not wanted.ownership.accountable:
        wanted = replace(wanted, ownership=replace(wanted.ownership, accountable=request.requester.email))
    if request.subject != key_id:  # otherwise the form was sent twice
        _check_is_current(actor, request, wanted)
    if wanted.rotates is not None:
        actor = authorize_now(actor, Action.ROTATE_KEY, key_for(actor, wanted.rotates.old))
    return await_paste(actor, wanted) if settings.CERBY_ISSUE_MODE == "assisted" else issue_key(actor, wanted)


def _check_is_current(actor: Actor, request: AccessRequest, wanted: KeyRequest) -> None:
    """End the request if what the approvers relied on has changed, and raise ``Conflict``."""
    if request.is_break_glass:
        return
    reason = ""
    if request.requester_id == actor.user_id and actor.role > request.least_role:
        reason = "Your role is higher than when you asked, so the key would be able to do more."
    elif approvals_for(actor, replace(wanted, under=None)) > request.needed:
        reason = "The policy has changed, and the key needs more approvals now."
    elif len(request.standing_approvals()) < request.needed:
        reason = "A person who approved it may not decide about it any more."
    if not reason:
        return
    with transaction.atomic():
        locked = AccessRequest.objects.select_for_update(of=("self",), no_key=True).get(pk=request.pk)
        if locked.state in {RequestState.APPROVED, RequestState.USED}:
            go_stale(actor, locked, reason)
    raise OutOfDate(f"{reason} Ask for approval again.")
