"""Use an approved request, in the transaction that records the act. Each approval serves one act."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from keys.actions.notifications.settle import settle
from keys.audit import log
from keys.models import AccessRequest, ApiKey
from keys.rules.errors import Conflict
from keys.rules.events import Event
from keys.rules.lifecycle import State
from keys.rules.notifications import Kind
from keys.rules.permissions import Actor
from keys.rules.requests import RequestState

NOT_MADE = (State.REFUSED, State.ABSENT)
"""If the act ended like this, Cerby made no key, so the approval can be used again."""
USED = "This approval was used already, or is not valid any more. Open the request to see why."


def check_unused(request: AccessRequest, subject: UUID) -> None:
    """Raise ``Conflict`` if the approval has served another act, so that no other check answers first."""
    if request.state != RequestState.USED or request.subject == subject:
        return
    if not ApiKey.objects.filter(pk__in=[request.subject], state__in=NOT_MADE).exists():
        raise Conflict(USED)


def use(actor: Actor, request_id: UUID, *, subject: UUID) -> AccessRequest:
    """Mark the approved request as used for ``subject`` with one conditional UPDATE, and return it.

    Call this in the transaction of the act. Raises ``Conflict`` if it is not approved, or not any more.
    """
    now = timezone.now()
    failed = ApiKey.objects.filter(pk=OuterRef("subject"), state__in=NOT_MADE)
    usable = Q(state=RequestState.APPROVED) | (Q(state=RequestState.USED) & Exists(failed))
    approved = AccessRequest.objects.filter(usable, pk=request_id, use_by__gt=now)
    if not approved.update(state=RequestState.USED, subject=subject, ended_at=now):
        raise Conflict(USED)
    request = AccessRequest.objects.get(pk=request_id)
    request.check_document()
    log.append(Event.REQUEST_USED, actor=actor, request=str(request_id), digest=request.digest)
    settle(Kind.APPROVAL_GIVEN, request=request)
    return request
