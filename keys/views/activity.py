"""Activity: who did what, to which key, when, from where, with what outcome."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from keys.actions.export import export_activity
from keys.selectors.activity import EXPORT_HEADER
from keys.selectors.activity import activity as activity_for
from keys.views.exports import csv_response
from keys.views.links import ListLinks
from keys.views.people import actor_of


@require_safe
def activity(request: HttpRequest) -> HttpResponse:
    found = activity_for(actor_of(request), request.GET)
    context = {"section": "activity", "activity": found, "links": ListLinks(request.GET, found.page)}
    template = "keys/activity.html#table" if request.htmx else "keys/activity.html"  # type: ignore[attr-defined]
    return render(request, template, context, status=200 if found.filter.is_valid() else 422)


@require_safe
def export(request: HttpRequest) -> StreamingHttpResponse:
    events = export_activity(actor_of(request), request.GET)
    return csv_response("activity", EXPORT_HEADER, events)
