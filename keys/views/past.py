"""The inventory as of a past time, from the audit log."""

from __future__ import annotations

from http import HTTPStatus

from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from keys.actions.audit.view_past import export_past, view_past
from keys.evidence.parts import KEY_HEADER
from keys.rules import formatting
from keys.views.exports import csv_response
from keys.views.htmx import HtmxHttpRequest
from keys.views.people import actor_of, require_fresh_sign_in


@require_safe
def past(request: HtmxHttpRequest) -> HttpResponse:
    found = view_past(actor_of(request), request.GET)
    rows = [(key, formatting.scope_list(key.scopes)) for key in found.keys]
    context = {"section": "keys", "past": found, "rows": rows, "params": request.GET}
    status = HTTPStatus.OK if found.form.is_valid() else HTTPStatus.UNPROCESSABLE_ENTITY
    return render(request, "keys/past.html", context, status=status)


@require_safe
def export_past_csv(request: HtmxHttpRequest) -> StreamingHttpResponse:
    require_fresh_sign_in(request, reverse("keys:past", query=request.GET))
    keys = export_past(actor_of(request), request.GET)
    return csv_response("api-keys", KEY_HEADER, keys)
