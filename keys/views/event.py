"""Event: one audit event in full, and its proof as a file."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from keys.rules.errors import NotFound
from keys.selectors.activity.event import event_for
from keys.views.people import actor_of


@require_safe
def event(request: HttpRequest, uid: UUID) -> HttpResponse:
    context = {"section": "activity", "event": event_for(actor_of(request), uid)}
    return render(request, "keys/event.html", context)


@require_safe
def proof(request: HttpRequest, uid: UUID) -> HttpResponse:
    found = event_for(actor_of(request), uid)
    if found.proof is None:
        raise NotFound(found.reason)
    response = HttpResponse(found.proof.text, content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="event-{found.proof.index}.tlog-proof"'
    return response
