"""Say whether an approval can be used: it serves one act, but again if that act came to nothing."""

from __future__ import annotations

from uuid import UUID

from django.utils import timezone

from keys.models import AccessRequest, ApiKey, AuditEvent
from keys.rules.events import Event
from keys.rules.lifecycle import State
from keys.rules.requests import RequestKind, RequestState

NOT_MADE = (State.REFUSED, State.ABSENT)
"""If a key ended like this, Cerby never made it."""
CHANGED = (Event.KEY_RESCOPED, Event.KEY_CHANGED)
"""The events after which a key may have other scopes."""


def is_usable(request: AccessRequest) -> bool:
    """Return whether the approval is in time, and has served no act or one that came to nothing."""
    if request.use_by is None or request.use_by <= timezone.now():
        return False
    if request.state == RequestState.APPROVED:
        return True
    return request.state == RequestState.USED and came_to_nothing(request)


def came_to_nothing(request: AccessRequest) -> bool:
    """Return whether the act for which the approval was used has changed nothing in Cerby.

    A deletion and a plan count as done.
    """
    if request.subject is None:
        return False
    if request.kind == RequestKind.GENERATE:
        return ApiKey.objects.filter(pk=request.subject, state__in=NOT_MADE).exists()
    return request.kind == RequestKind.WIDEN and not _was_changed(request.subject, request)


def _was_changed(key_id: UUID, request: AccessRequest) -> bool:
    """Return whether the key's scopes were changed since the approval was used, even if not to stay."""
    events = AuditEvent.objects.filter(key_id=key_id, outcome="done")
    began = events.filter(type=Event.KEY_RESCOPE_STARTED).order_by("-id").values_list("id", "details")
    used = next((pk for pk, details in began if details.get("request") == str(request.pk)), None)
    return used is None or events.filter(type__in=CHANGED, id__gt=used).exists()
