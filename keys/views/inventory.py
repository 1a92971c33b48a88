"""API keys: the inventory, filtered, sorted and paged, and its download."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from keys.actions.audit.export_csv import export_inventory
from keys.actions.audit.view_inventory import view_inventory
from keys.selectors.inventory.freshness import freshness
from keys.selectors.inventory.table import EXPORT_HEADER
from keys.views.exports import csv_response
from keys.views.links import ListLinks
from keys.views.people import actor_of


@require_safe
def inventory(request: HttpRequest) -> HttpResponse:
    found = view_inventory(actor_of(request), request.GET)
    links = ListLinks(request.GET, found.page, sort=found.filter.sort_in_use(), sorts=found.filter.sort_names)
    context = {"section": "keys", "tab": "keys", "inventory": found, "links": links}
    context["freshness"] = freshness()
    template = "keys/inventory.html#table" if request.htmx else "keys/inventory.html"  # type: ignore[attr-defined]
    return render(request, template, context, status=200 if found.filter.is_valid() else 422)


@require_safe
def export_inventory_csv(request: HttpRequest) -> StreamingHttpResponse:
    keys = export_inventory(actor_of(request), request.GET)
    return csv_response("api-keys", EXPORT_HEADER, keys)
