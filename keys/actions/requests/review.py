"""Review an act that somebody did without approval, and tell people of requests that nobody decides."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from keys.actions.notifications.notify import notify
from keys.actions.notifications.settle import settle
from keys.actions.people.confirm_role import authorize_now
from keys.audit import log
from keys.models import AccessRequest, User
from keys.rules.errors import Conflict, NotAllowed
from keys.rules.events import Event
from keys.rules.notifications import Kind
from keys.rules.permissions import HIGHEST, Action, Actor, roles_that_may
from keys.rules.requests import Approver, RequestState, escalate_at, why_not_review, words_of
from keys.selectors.requests.find import request_for
from keys.validation.text import check_reason

AT_ONCE = 200


def review(actor: Actor, request_id: UUID, *, reason: str) -> AccessRequest:
    """Record what a second person found out about a break-glass act. ``reason``: their finding.

    Raises ``NotAllowed`` for the person who did it, and ``Conflict`` if it was reviewed already.
    """
    check_reason(reason)
    actor = authorize_now(actor, Action.DECIDE_REQUEST)
    request = request_for(actor, request_id)
    why_not = why_not_review(Approver(actor.user_id, actor.role, actor.is_active), request.requester_id)
    if why_not:
        raise NotAllowed(why_not, allowed=roles_that_may(Action.DECIDE_REQUEST, actor.management))
    with transaction.atomic():
        done = AccessRequest.objects.filter(state=RequestState.USED)
        waiting = done.filter(pk=request_id, reviewed_at=None).exclude(ticket="")
        if not waiting.update(reviewed_by=actor.user_id, reviewed_at=timezone.now()):
            raise Conflict("Nothing was done yet, or somebody has reviewed it already.")
        log.append(
            Event.REQUEST_REVIEWED,
            actor=actor,
            reason=reason,
            request=str(request_id),
            digest=request.digest,
        )
        settle(Kind.APPROVAL_DUE, request=request)
    request.refresh_from_db()
    return request


def escalate_requests() -> str:
    """Tell the Owner and the Super Admins of requests that wait for more than half of their time."""
    now, told = timezone.now(), 0
    waiting = AccessRequest.objects.filter(state=RequestState.OPEN, escalated_at=None, decide_by__gt=now)
    for request in waiting.order_by("made_at", "id").select_related("requester")[:AT_ONCE]:
        if escalate_at(request.made_at, request.decide_by) > now:
            continue
        with transaction.atomic():
            mine = AccessRequest.objects.filter(pk=request.pk, escalated_at=None, state=RequestState.OPEN)
            if mine.update(escalated_at=now):
                _tell_highest(request)
                told += 1
    return f"Requests escalated: {told}"


def _tell_highest(request: AccessRequest) -> None:
    people = User.objects.filter(is_active=True, role__in=HIGHEST).exclude(pk=request.requester_id)
    notify(
        Kind.APPROVAL_DUE,
        words=f"Nobody has decided yet: {request.requester.name} asks to {words_of(request.act)}.",
        text=f"Reason: {request.reason}",
        path=reverse("keys:request", args=[request.pk]),
        to=people,
        request=request,
    )
