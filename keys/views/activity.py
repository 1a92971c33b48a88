"""Activity: the audit log, filtered and paged, its download, and saved filters."""

from __future__ import annotations

from http import HTTPStatus

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect, QueryDict, StreamingHttpResponse
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from keys.actions.audit.export_csv import export_activity
from keys.actions.audit.save_filter import forget_filter, save_filter
from keys.forms.new_key import SaveFilterForm
from keys.rules.errors import Invalid
from keys.selectors.activity.filters import saved_filters
from keys.selectors.activity.table import EXPORT_HEADER, activity_page
from keys.views.exports import csv_response
from keys.views.htmx import HtmxHttpRequest, render_part
from keys.views.people import actor_of


@require_safe
def activity(request: HtmxHttpRequest) -> HttpResponse:
    return _page(request, request.GET, SaveFilterForm())


@require_safe
def export_activity_csv(request: HtmxHttpRequest) -> StreamingHttpResponse:
    events = export_activity(actor_of(request), request.GET)
    return csv_response("activity", EXPORT_HEADER, events)


@require_POST
def add_filter(request: HtmxHttpRequest) -> HttpResponse:
    """Save the current filter under a name."""
    form, params = SaveFilterForm(request.POST), QueryDict(request.POST.get("query", ""))
    try:
        if form.is_valid():
            saved = save_filter(actor_of(request), params, form.cleaned_data["name"])
            messages.success(request, f"The filter “{saved.name}” is saved.")
            return HttpResponseRedirect(reverse("keys:activity", query=QueryDict(saved.query)))
    except Invalid as invalid:
        form.add_error("name", invalid.fields["name"])
    return _page(request, params, form)


@require_POST
def forget(request: HtmxHttpRequest, filter_id: int) -> HttpResponse:
    forget_filter(actor_of(request), filter_id)
    messages.success(request, "The saved filter is deleted.")
    return HttpResponseRedirect(reverse("keys:activity"))


def _page(request: HtmxHttpRequest, params: QueryDict, form: SaveFilterForm) -> HttpResponse:
    actor = actor_of(request)
    found = activity_page(actor, params)
    context = {"section": "activity", "activity": found, "params": params}
    context |= {"save": form, "saved": saved_filters(actor)}
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.errors or not found.filter.is_valid() else HTTPStatus.OK
    return render_part(request, "keys/activity.html", "table", context, status=status)
