"""Withdraw a request, offer a narrower act instead, and accept or decline the offer."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from keys.actions.notifications.notify import notify
from keys.actions.people.confirm_role import authorize_now
from keys.actions.requests.decide import end_request
from keys.audit import log
from keys.models import AccessRequest
from keys.rules.errors import Conflict, Invalid, NotAllowed
from keys.rules.events import Event
from keys.rules.notifications import Kind
from keys.rules.permissions import Action, Actor, roles_that_may
from keys.rules.requests import (
    PENDING,
    Approver,
    RequestKind,
    RequestState,
    canonical,
    digest_of,
    why_not_decide,
)
from keys.selectors.requests.approvers import approvers_of
from keys.selectors.requests.find import request_for
from keys.validation.frozen_request import expires_at, narrowed

ENDED = "This request is not open any more."


def withdraw(actor: Actor, request_id: UUID) -> AccessRequest:
    """Withdraw one's own request. Raises ``Conflict`` if it has ended, or was used."""
    with transaction.atomic():
        request = _own(actor, request_id)
        if request.state not in PENDING:
            raise Conflict(ENDED)
        end_request(request, RequestState.WITHDRAWN)
        log.append(Event.REQUEST_WITHDRAWN, actor=actor, request=str(request.pk), digest=request.digest)
    return request


def offer(
    actor: Actor, request_id: UUID, *, scopes: list[str], lasts: timedelta | None, reason: str
) -> AccessRequest:
    """Offer to approve the key with fewer scopes, or for a shorter time (``lasts``).

    The requester accepts or declines. Raises ``Invalid`` if the offer is not narrower, ``NotAllowed`` if the
    person may not decide, and ``Conflict`` if the request has ended.
    """
    actor = authorize_now(actor, Action.DECIDE_REQUEST)
    with transaction.atomic():
        request = _locked(actor, request_id)
        if request.state_now() is not RequestState.OPEN:
            raise Conflict(ENDED)
        if why_not := why_not_decide(Approver(actor.user_id, actor.role, actor.is_active), request.asked()):
            raise NotAllowed(why_not, allowed=roles_that_may(Action.DECIDE_REQUEST, actor.management))
        request.offer = canonical(_narrower(request, scopes, lasts))
        request.offered_by_id = actor.user_id
        request.save(update_fields=["offer", "offered_by"])
        log.append(
            Event.REQUEST_OFFERED,
            actor=actor,
            reason=reason,
            request=str(request.pk),
            digest=digest_of(request.offer),
            scopes=scopes,
        )
        words = f"{actor.name} offers to approve a narrower key instead. Accept or decline the offer."
        _tell(request, words, reason)
    return request


def _narrower(request: AccessRequest, scopes: list[str], lasts: timedelta | None) -> dict[str, object]:
    if request.kind != RequestKind.GENERATE:
        raise Invalid("Only the request for a key can be narrowed.")
    act, now = request.act, timezone.now()
    if not scopes:
        raise Invalid(scopes="Select at least one scope.")
    if unknown := sorted(set(scopes) - set(act["scopes"])):
        raise Invalid(scopes=f"“{unknown[0][:60]}” was not asked for. Choose from the scopes of the request.")
    changed = narrowed(act, scopes, lasts)
    if expires_at(changed, now) > expires_at(act, now):
        raise Invalid(lasts="That is longer than was asked for. Choose a shorter time.")
    if changed == act:
        raise Invalid(scopes="Remove a scope, or choose a shorter time. Otherwise, approve the request.")
    return changed


def answer_offer(actor: Actor, request_id: UUID, *, accept: bool, digest_of_offer: str) -> AccessRequest:
    """Accept or decline the offer. If it is accepted, it is the request from now on.

    All approvals are void then: they named another hash.
    """
    with transaction.atomic():
        request = _own(actor, request_id)
        if request.state_now() is not RequestState.OPEN or not request.offer:
            raise Conflict(ENDED if not request.offer else "There is no offer any more.")
        if digest_of(request.offer) != digest_of_offer:
            raise Conflict("The offer has changed. Look at it again.")
        offered_by = request.offered_by
        if accept:
            request.document, request.digest = request.offer, digest_of_offer
        request.offer, request.offered_by = "", None
        request.save(update_fields=["document", "digest", "offer", "offered_by"])
        log.append(
            Event.REQUEST_OFFER_ACCEPTED if accept else Event.REQUEST_OFFER_DECLINED,
            actor=actor,
            request=str(request.pk),
            digest=digest_of_offer,
        )
        done = "accepted" if accept else "declined"
        notify(
            Kind.APPROVAL_DUE,
            words=f"{actor.name} {done} the narrower key. Please decide about the request.",
            path=reverse("keys:request", args=[request.pk]),
            to=[offered_by] if offered_by else approvers_of(request),
            request=request,
        )
    return request


def _own(actor: Actor, request_id: UUID) -> AccessRequest:
    request = _locked(actor, request_id)
    if request.requester_id != actor.user_id:
        raise NotAllowed("Only the person who asked for it may do this.", allowed=["the requester"])
    return request


def _locked(actor: Actor, request_id: UUID) -> AccessRequest:
    request_for(actor, request_id)
    return AccessRequest.objects.select_for_update(of=("self",), no_key=True).get(pk=request_id)


def _tell(request: AccessRequest, words: str, text: str) -> None:
    path = reverse("keys:request", args=[request.pk])
    notify(Kind.APPROVAL_GIVEN, words=words, text=text, path=path, to=[request.requester], request=request)
