"""Do the act of an approved request, in the transaction of the last approval."""

from __future__ import annotations

from keys.actions.bulk.ask import begin_approved
from keys.actions.bulk.start import Enqueue
from keys.actions.leavers.ask import keep_approved
from keys.models import AccessRequest
from keys.rules.requests import RequestKind


def begin(request: AccessRequest, *, enqueue: Enqueue) -> None:
    """Start a deletion, or record a plan to keep keys. A key is generated later by the requester."""
    if request.kind == RequestKind.DELETE:
        begin_approved(request, enqueue)
    elif request.kind == RequestKind.KEEP:
        keep_approved(request)
