"""Activity: the audit log, filtered and paged, its saved views, and its download."""

from __future__ import annotations

from django.http import HttpResponse, QueryDict, StreamingHttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from keys.actions.audit.export_csv import export_activity
from keys.forms.saved_view import SavedViewForm
from keys.models import SavedView
from keys.selectors.activity.table import EXPORT_HEADER, activity_page
from keys.views.exports import csv_response
from keys.views.htmx import HtmxHttpRequest
from keys.views.list_page import opened_view, render_list
from keys.views.people import actor_of, require_fresh_sign_in

PAGE = SavedView.Page.ACTIVITY


@require_safe
def activity(request: HtmxHttpRequest) -> HttpResponse:
    return opened_view(request, PAGE) or list_events(request, request.GET)


def list_events(request: HtmxHttpRequest, params: QueryDict, **forms: SavedViewForm) -> HttpResponse:
    """Show the events for the query string ``params``. ``forms``: those of a saved view, with errors."""
    found = activity_page(actor_of(request), params)
    context = {"section": "activity", "activity": found, "params": params}
    return render_list(request, "keys/activity.html", PAGE, found.filter, context, **forms)


@require_safe
def export_activity_csv(request: HtmxHttpRequest) -> StreamingHttpResponse:
    require_fresh_sign_in(request, reverse("keys:activity", query=request.GET))
    events = export_activity(actor_of(request), request.GET)
    return csv_response("activity", EXPORT_HEADER, events)
