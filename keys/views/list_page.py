"""Show a list, such as the inventory, with its saved views as tabs above it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse

from keys.forms.saved_view import SavedViewForm
from keys.models import SavedView
from keys.rules.errors import NotFound
from keys.selectors.inventory.widgets import ViewField
from keys.selectors.saved_views.page import Filter, SavedViews, params_of, saved_view_for, saved_views
from keys.views.htmx import HtmxHttpRequest, render_part
from keys.views.people import actor_of


def opened_view(request: HtmxHttpRequest, page: SavedView.Page) -> HttpResponse | None:
    """Redirect an address that has only the number of a view to the page as the view has it now."""
    if request.GET.keys() != {"view"}:
        return None
    try:
        view = saved_view_for(actor_of(request), ViewField().clean(request.GET["view"]) or 0, page)
    except (NotFound, ValidationError):
        return None
    return HttpResponseRedirect(reverse(f"keys:{page}", query=params_of(view)))


def render_list(
    request: HtmxHttpRequest,
    template: str,
    page: SavedView.Page,
    wanted: Filter,
    context: dict[str, Any],
    *,
    new: SavedViewForm | None = None,
    edited: SavedViewForm | None = None,
) -> HttpResponse:
    """Render the list of ``page``, filtered by ``wanted``, with its saved views.

    ``new`` and ``edited``: the form of a new view, or of the view that is open, if it has errors.
    """
    views = saved_views(actor_of(request), page, wanted)
    context |= {
        "views": views,
        "tabs": [(view, params_of(view).urlencode()) for view in views.views],
        "list_url": reverse(f"keys:{page}"),
        "page_url": reverse(f"keys:{page}") if request.method == "POST" else "",
        "save_url": reverse(f"keys:{page}-save"),
        "new_view": new or SavedViewForm(may_share=views.may_share),
        "edited_view": edited or _form_of(views),
    }
    if views.current is not None:
        verbs = ("store", "edit", "forget")
        context |= {f"{verb}_url": reverse(f"keys:{page}-{verb}", args=[views.current.pk]) for verb in verbs}
    failed = new or edited or not views.is_valid
    status = HTTPStatus.UNPROCESSABLE_ENTITY if failed else HTTPStatus.OK
    return render_part(request, template, "table", context, status=status)


def _form_of(views: SavedViews) -> SavedViewForm | None:
    view = views.current
    if view is None or not views.may_change:
        return None
    given = {"name": view.name, "shared": view.shared}
    return SavedViewForm(initial=given, may_share=views.may_share, ids="edit")
