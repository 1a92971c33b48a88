"""API keys: the inventory, filtered, sorted and paged, its saved views, and its download."""

from __future__ import annotations

from urllib.parse import quote

from django.http import HttpResponse, HttpResponseRedirect, QueryDict, StreamingHttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from keys.actions.audit.export_csv import export_inventory
from keys.actions.audit.view_inventory import view_inventory
from keys.forms.saved_view import SavedViewForm
from keys.models import SavedView
from keys.selectors.bulk.selection import running_of
from keys.selectors.inventory.freshness import freshness
from keys.selectors.inventory.table import EXPORT_HEADER
from keys.views.exports import csv_response
from keys.views.htmx import HtmxHttpRequest
from keys.views.list_page import opened_view, render_list
from keys.views.people import actor_of, require_fresh_sign_in

PAGE = SavedView.Page.INVENTORY


@require_safe
def inventory(request: HtmxHttpRequest) -> HttpResponse:
    return opened_view(request, PAGE) or list_keys(request, request.GET)


def list_keys(request: HtmxHttpRequest, params: QueryDict, **forms: SavedViewForm) -> HttpResponse:
    """Show the keys for the query string ``params``. ``forms``: those of a saved view, with errors."""
    found = view_inventory(actor_of(request), params)
    if found.has_run_empty and not forms:
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
        "here": quote(reverse("keys:inventory", query=params), safe=""),
        "freshness": freshness(),
        "running": running_of(actor_of(request)),
    }
    return render_list(request, "keys/inventory.html", PAGE, found.filter, context, **forms)


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
    require_fresh_sign_in(request, reverse("keys:inventory", query=request.GET))
    keys = export_inventory(actor_of(request), request.GET)
    return csv_response("api-keys", EXPORT_HEADER, keys)
