"""Approve or deny a request of another person."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from keys.actions.notifications.notify import notify
from keys.actions.notifications.settle import settle
from keys.actions.people.confirm_role import authorize_now
from keys.audit import log
from keys.models import AccessRequest, Verdict
from keys.rules.errors import Conflict, NotAllowed, OutOfDate
from keys.rules.events import Event
from keys.rules.notifications import Kind
from keys.rules.permissions import Action, Actor, roles_that_may
from keys.rules.requests import (
    USE_WITHIN,
    Approver,
    RequestKind,
    RequestState,
    is_approved,
    why_not_decide,
    words_of,
)
from keys.selectors.requests.find import request_for
from keys.validation.text import check_reason

Begin = Callable[[AccessRequest], object]
"""Does the act, if it needs nothing more from the requester (keys.actions.approved)."""
CHANGED = "The request has changed since you opened the page. Look at it again before you decide."


def approve(actor: Actor, request_id: UUID, *, digest: str, begin: Begin) -> AccessRequest:
    """Approve the act with the hash ``digest``, which the person has seen.

    With the last approval that is needed, ``begin`` does the act at once. A key is generated later, and a
    scope is added later.
    Raises ``NotAllowed`` if the person may not decide, and ``Conflict`` if the request has changed or ended.
    After ``OutOfDate`` from ``begin``, the request has ended.
    """
    actor = _may_decide(actor, request_id)
    try:
        return _approve(actor, request_id, digest, begin)
    except OutOfDate as gone:
        with transaction.atomic():
            request = AccessRequest.objects.select_for_update(of=("self",), no_key=True).get(pk=request_id)
            if request.state == RequestState.OPEN:
                go_stale(actor, request, gone.sentence)
        raise


def _approve(actor: Actor, request_id: UUID, digest: str, begin: Begin) -> AccessRequest:
    with transaction.atomic():
        request = _locked(actor, request_id, digest)
        _record(request, actor, approves=True, reason="")
        request.offer, request.offered_by = "", None
        request.save(update_fields=["offer", "offered_by"])
        if is_approved(request.standing_approvals(), request.asked(), request.needed):
            now = timezone.now()
            request.state, request.approved_at, request.use_by = RequestState.APPROVED, now, now + USE_WITHIN
            request.save(update_fields=["state", "approved_at", "use_by"])
            if not RequestKind(request.kind).is_used_later:
                begin(request)
            _tell(request, f"{actor.name} approved your request: {words_of(request.act)}.")
            settle(Kind.APPROVAL_DUE, request=request)
        else:
            settle(Kind.APPROVAL_DUE, request=request, only_of=[actor.user_id])
    return request


def go_stale(actor: Actor, request: AccessRequest, reason: str) -> None:
    """End a request because something that its act needs has changed. Call this in a transaction."""
    end_request(request, RequestState.STALE)
    log.append(
        Event.REQUEST_OUT_OF_DATE,
        actor=actor,
        reason=reason,
        request=str(request.pk),
        digest=request.digest,
    )


def deny(actor: Actor, request_id: UUID, *, reason: str) -> AccessRequest:
    """Deny the request for good. The requester may send another one. Raises as ``approve`` does."""
    check_reason(reason)
    actor = _may_decide(actor, request_id)
    with transaction.atomic():
        request = _locked(actor, request_id)
        _record(request, actor, approves=False, reason=reason)
        end_request(request, RequestState.DENIED)
        _tell(request, f"{actor.name} denied your request: {words_of(request.act)}.", reason)
    return request


def _may_decide(actor: Actor, request_id: UUID) -> Actor:
    actor = authorize_now(actor, Action.DECIDE_REQUEST)
    request_for(actor, request_id)
    return actor


def _locked(actor: Actor, request_id: UUID, digest: str | None = None) -> AccessRequest:
    """Return the open request, locked until the transaction ends, if the person may decide about it now."""
    request = AccessRequest.objects.select_for_update(of=("self",), no_key=True).get(pk=request_id)
    state = request.state_now()
    request.check_document()
    if state is not RequestState.OPEN:
        raise Conflict(f"This request is not open any more: {state.label.lower()}.")
    reason = why_not_decide(Approver(actor.user_id, actor.role, actor.is_active), request.asked())
    if reason:
        allowed = roles_that_may(Action.DECIDE_REQUEST, actor.management)
        raise NotAllowed(reason, allowed=allowed)
    if digest is not None and digest != request.digest:
        raise Conflict(CHANGED)
    return request


def _record(request: AccessRequest, actor: Actor, *, approves: bool, reason: str) -> None:
    Verdict.objects.create(
        request=request,
        approver_id=actor.user_id,
        approves=approves,
        digest=request.digest,
        reason=reason,
        at=timezone.now(),
    )
    log.append(
        Event.REQUEST_APPROVED if approves else Event.REQUEST_DENIED,
        actor=actor,
        reason=reason,
        request=str(request.pk),
        digest=request.digest,
    )


def end_request(request: AccessRequest, state: RequestState) -> None:
    """Store how the request ended, and take it out of everybody's inbox. Call this in a transaction."""
    request.state, request.ended_at = state, timezone.now()
    request.save(update_fields=["state", "ended_at"])
    settle(Kind.APPROVAL_DUE, Kind.APPROVAL_GIVEN, request=request)


def _tell(request: AccessRequest, words: str, text: str = "") -> Any:
    kind = Kind.APPROVAL_GIVEN if request.state == RequestState.APPROVED else Kind.REQUEST_ENDED
    if not RequestKind(request.kind).is_used_later:
        kind = Kind.REQUEST_ENDED  # nothing is left to do
    path = reverse("keys:request", args=[request.pk])
    return notify(kind, words=words, text=text, path=path, to=[request.requester], request=request)
