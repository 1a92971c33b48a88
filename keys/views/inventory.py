"""API keys: the inventory, filtered, sorted and paged, and its download."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import quote

from django.http import HttpResponse, HttpResponseRedirect, QueryDict, StreamingHttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from keys.actions.audit.export_csv import export_inventory
from keys.actions.audit.view_inventory import view_inventory
from keys.selectors.bulk.selection import running_of
from keys.selectors.inventory.freshness import freshness
from keys.selectors.inventory.table import EXPORT_HEADER
from keys.views.exports import csv_response
from keys.views.htmx import HtmxHttpRequest, render_part
from keys.views.people import actor_of


@require_safe
def inventory(request: HtmxHttpRequest) -> HttpResponse:
    params = request.GET
    found = view_inventory(actor_of(request), params)
    if found.has_run_empty:
        return HttpResponseRedirect(reverse("keys:inventory", query=_first_page(params)))
    if len(params.getlist("columns")) > 1 and found.filter.is_valid():  # from the checkboxes
        return HttpResponseRedirect(reverse("keys:inventory", query=_with(params, found.columns_given)))
    context = {"section": "keys", "tab": "keys", "inventory": found, "params": params}
    context |= {
        "other_params": [
            (name, value)
            for name, values in params.lists()
            for value in values
            if value and name != "columns"
        ],
        "sort": found.filter.sort_in_use(),
        "here": quote(request.get_full_path(), safe=""),
        "freshness": freshness(),
        "running": running_of(actor_of(request)),
    }
    status = HTTPStatus.OK if found.filter.is_valid() else HTTPStatus.UNPROCESSABLE_ENTITY
    return render_part(request, "keys/inventory.html", "table", context, status=status)


def _first_page(params: QueryDict) -> QueryDict:
    first = params.copy()
    for name in ("after", "before"):
        first.pop(name, None)
    return first


def _with(params: QueryDict, columns: str) -> QueryDict:
    """Return the query string with these columns as one value."""
    changed = params.copy()
    changed.setlist("columns", [columns] if columns else [])
    return changed


@require_safe
def export_inventory_csv(request: HtmxHttpRequest) -> StreamingHttpResponse:
    keys = export_inventory(actor_of(request), request.GET)
    return csv_response("api-keys", EXPORT_HEADER, keys)
