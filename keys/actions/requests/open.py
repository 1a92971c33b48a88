"""Ask other people for their approval of an act. The act itself is not done yet."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from keys.actions.notifications.notify import notify
from keys.actions.people.confirm_role import authorize_now
from keys.audit import log
from keys.models import AccessRequest, User
from keys.rules.errors import Conflict, Invalid
from keys.rules.events import Event
from keys.rules.notifications import Kind
from keys.rules.permissions import ADMINS, Action, Actor, Role
from keys.rules.requests import (
    DECIDE_WITHIN,
    USE_WITHIN,
    RequestKind,
    RequestState,
    canonical,
    digest_of,
    why_not_break_glass,
    words_of,
)
from keys.selectors.key.page import key_for
from keys.selectors.policy.enforce import check_new_key
from keys.selectors.requests.approvers import approvers_of
from keys.selectors.requests.needs import approvals_for
from keys.validation import new_key
from keys.validation.frozen_request import expires_at, frozen
from keys.validation.new_key import KeyRequest
from keys.validation.text import check_reason, check_text

MOST_OPEN, MOST_UNREVIEWED = 20, 5
"""Requests of one person that wait at the same time, for a decision or for a review."""
TICKET_LENGTH = 100
IN_THE_EVENT = (
    *("name", "purpose", "scopes", "lasts", "expires_at", "keys", "count", "person", "until"),
    *("key", "scope"),
)


def request_key(
    actor: Actor, request: KeyRequest, *, lasts: timedelta | None, reason: str, ticket: str = ""
) -> AccessRequest:
    """Ask for the approval of the key that ``request`` describes. With ``ticket``, go on without it.

    Raises ``NotAllowed``, ``Invalid`` if an entry breaks a rule, and ``OutsidePolicy``.
    """
    actor = authorize_now(actor, Action.BREAK_GLASS if ticket else Action.REQUEST_KEY)
    if request.rotates is not None:
        authorize_now(actor, Action.ROTATE_KEY, key_for(actor, request.rotates.old))
    now = timezone.now()
    new_key.check_request(request, now)
    named = {"accountable_id": actor.user_id, "backup_id": request.ownership.backup}
    check_new_key(actor, request, named, now, urgent=bool(ticket))
    act = frozen(request, lasts)
    if ticket:
        check_break_glass(actor, ticket, expires_at(act, now) - now)
    needed = max(1, approvals_for(actor, request))
    return open_request(actor, RequestKind.GENERATE, act, reason=reason, needed=needed, ticket=ticket)


def check_break_glass(actor: Actor, ticket: str, lasts: timedelta | None) -> None:
    """Raise ``Invalid`` if the actor may not go on without approval. ``lasts``: how long the key is valid."""
    check_text("ticket", "The ticket", ticket, TICKET_LENGTH)
    if why_not := why_not_break_glass(actor.role, lasts):
        raise Invalid(expiration=why_not)


def open_request(
    actor: Actor,
    kind: RequestKind,
    act: dict[str, Any],
    *,
    reason: str,
    needed: int,
    decide_by: datetime | None = None,
    ticket: str = "",
    subject: UUID | None = None,
    least_role: Role | None = None,
    is_bounded: bool = True,
) -> AccessRequest:
    """Store the request and tell the people who can decide. The caller has checked the permission.

    With ``ticket`` it is approved at once (break-glass), and other admins are told to review it.
    ``is_bounded``: few of these may wait for a review.
    """
    check_reason(reason)
    now = timezone.now()
    text = canonical(act)
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=actor.user_id)  # requests of a person take turns
        pending = AccessRequest.objects.filter(requester_id=actor.user_id, state=RequestState.OPEN)
        if pending.filter(decide_by__gt=now)[:MOST_OPEN].count() >= MOST_OPEN:
            raise Conflict(f"{MOST_OPEN} of your requests wait for approval. Withdraw one of them first.")
        if ticket and is_bounded:
            _check_unreviewed(actor)
        made = AccessRequest.objects.create(
            kind=kind,
            requester_id=actor.user_id,
            least_role=actor.role if least_role is None else least_role,
            needed=needed,
            document=text,
            digest=digest_of(text),
            reason=reason,
            made_at=now,
            decide_by=min(decide_by or now + DECIDE_WITHIN, now + DECIDE_WITHIN),
            ticket=ticket,
            subject=subject,
        )
        if ticket:
            made.state, made.approved_at, made.use_by = RequestState.APPROVED, now, now + USE_WITHIN
            made.save(update_fields=["state", "approved_at", "use_by"])
        log.append(
            Event.REQUEST_BREAK_GLASS if ticket else Event.REQUEST_OPENED,
            actor=actor,
            reason=reason,
            **_details(made, act),
        )
        _tell(made, actor)
    return made


def _check_unreviewed(actor: Actor) -> None:
    """Raise ``Conflict`` if too many acts of the person wait for a review that somebody else could do."""
    mine = AccessRequest.objects.exclude(ticket="").filter(requester_id=actor.user_id, reviewed_at=None)
    others = User.objects.filter(is_active=True, role__in=ADMINS).exclude(pk=actor.user_id)
    if others.exists() and mine.count() >= MOST_UNREVIEWED:
        raise Conflict(
            f"{MOST_UNREVIEWED} acts that you did without approval wait for a review. Ask another admin to "
            "review one, or ask for approval."
        )


def _details(made: AccessRequest, act: dict[str, Any]) -> dict[str, Any]:
    """Return the details of the event. The hash covers the people whom the document names."""
    named = {name: act[name] for name in IN_THE_EVENT if name in act}
    return {
        "request": str(made.pk),
        "kind": made.kind,
        "digest": made.digest,
        "needed": made.needed,
        "least_role": int(made.least_role),
        "until": made.decide_by.isoformat(),
        "frozen": named,
        **({"ticket": made.ticket} if made.ticket else {}),
    }


def _tell(made: AccessRequest, actor: Actor) -> None:
    people: Iterable[User] = approvers_of(made)
    if made.is_break_glass:
        people = User.objects.filter(is_active=True, role__in=ADMINS).exclude(pk=actor.user_id)
        words = f"{actor.name} went on without approval: {words_of(made.act)}. Please review it."
    else:
        words = f"{actor.name} asks for your approval: {words_of(made.act)}."
    notify(
        Kind.APPROVAL_DUE,
        words=words,
        text=f"Reason: {made.reason}",
        path=reverse("keys:request", args=[made.pk]),
        to=people,
        request=made,
    )
