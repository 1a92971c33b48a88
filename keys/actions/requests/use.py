"""Use an approved request, in the transaction that records the act. Each approval serves one act."""

from __future__ import annotations

from uuid import UUID

from django.utils import timezone

from keys.actions.notifications.settle import settle
from keys.audit import log
from keys.models import AccessRequest
from keys.rules.errors import Conflict
from keys.rules.events import Event
from keys.rules.notifications import Kind
from keys.rules.permissions import Actor
from keys.rules.requests import RequestState
from keys.selectors.requests.usable import came_to_nothing, is_usable

USED = "This approval was used already, or is not valid any more. Open the request to see why."


def check_unused(request: AccessRequest, subject: UUID) -> None:
    """Raise ``Conflict`` if the approval has served another act, so that no other check answers first."""
    if request.state != RequestState.USED or request.subject == subject:
        return
    if not came_to_nothing(request):
        raise Conflict(USED)


def use(actor: Actor, request_id: UUID, *, subject: UUID) -> AccessRequest:
    """Mark the approved request as used for ``subject``, and return it.

    Call this in the transaction of the act. Raises ``Conflict`` if it is not approved, or not any more.
    """
    locked = AccessRequest.objects.select_for_update(of=("self",), no_key=True)
    request = locked.filter(pk=request_id).first()
    if request is None or not is_usable(request):
        raise Conflict(USED)
    request.check_document()
    request.state, request.subject, request.ended_at = RequestState.USED, subject, timezone.now()
    request.save(update_fields=["state", "subject", "ended_at"])
    log.append(Event.REQUEST_USED, actor=actor, request=str(request_id), digest=request.digest)
    settle(Kind.APPROVAL_GIVEN, request=request)
    return request
