"""The inventory as of a past time, from the audit log."""

from __future__ import annotations

from http import HTTPStatus

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from keys.actions.audit.view_past import view_past
from keys.rules import formatting
from keys.views.htmx import HtmxHttpRequest
from keys.views.people import actor_of


@require_safe
def past(request: HtmxHttpRequest) -> HttpResponse:
    found = view_past(actor_of(request), request.GET)
    rows = [(key, formatting.scope_list(key.scopes)) for key in found.keys]
    context = {"section": "keys", "past": found, "rows": rows, "params": request.GET}
    status = HTTPStatus.OK if found.form.is_valid() else HTTPStatus.UNPROCESSABLE_ENTITY
    return render(request, "keys/past.html", context, status=status)
