"""Show the saved views of a list as tabs above it, and save, change and delete them."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse

from keys.actions.saved_views.delete_view import delete_view
from keys.actions.saved_views.edit_view import edit_view
from keys.actions.saved_views.save_view import save_view
from keys.actions.saved_views.store_state import store_state
from keys.forms.existing_key import refuse
from keys.forms.saved_view import SavedViewForm
from keys.models import SavedView
from keys.rules.errors import Invalid, NotFound
from keys.rules.policy import Action
from keys.selectors.inventory.widgets import ViewField
from keys.selectors.saved_views.page import Filter, SavedViews, params_of, saved_view_for, saved_views
from keys.views.htmx import HtmxHttpRequest, render_part
from keys.views.people import actor_of

Listing = Callable[..., HttpResponse]
"""The view of a list, which takes the query string and, if it has errors, the form of a saved view."""


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


def save_new(request: HtmxHttpRequest, page: SavedView.Page, listing: Listing) -> HttpResponse:
    """Save the page as a view."""
    form, params = _form(request), _params(request)
    try:
        view = save_view(actor_of(request), page, params, **_sent(form))
    except Invalid as invalid:
        refuse(form, invalid)
        return listing(request, params, new=form)
    messages.success(request, f"The view “{view.name}” is saved.")
    return HttpResponseRedirect(reverse(f"keys:{page}", query=params_of(view)))


def store_page(request: HtmxHttpRequest, page: SavedView.Page, view_id: int) -> HttpResponse:
    """Store the page in the view that is open."""
    params = _params(request)
    saved_view_for(actor_of(request), view_id, page)
    try:
        view = store_state(actor_of(request), view_id, params)
    except Invalid as invalid:
        messages.warning(request, " ".join(invalid.fields.values()))
        return HttpResponseRedirect(reverse(f"keys:{page}", query=params))
    messages.success(request, f"The changes to the view “{view.name}” are saved.")
    return HttpResponseRedirect(reverse(f"keys:{page}", query=params_of(view)))


def edit_opened(
    request: HtmxHttpRequest, page: SavedView.Page, view_id: int, listing: Listing
) -> HttpResponse:
    """Rename the view, or change who sees it."""
    form, params = _form(request, ids="edit"), _params(request)
    saved_view_for(actor_of(request), view_id, page)
    try:
        view = edit_view(actor_of(request), view_id, **_sent(form))
    except Invalid as invalid:
        refuse(form, invalid)
        params["view"] = str(view_id)
        return listing(request, params, edited=form)
    messages.success(request, f"The view “{view.name}” is changed.")
    return HttpResponseRedirect(reverse(f"keys:{page}", query=params))


def forget_view(request: HtmxHttpRequest, page: SavedView.Page, view_id: int) -> HttpResponse:
    saved_view_for(actor_of(request), view_id, page)
    view = delete_view(actor_of(request), view_id)
    messages.success(request, f"The view “{view.name}” is deleted.")
    return HttpResponseRedirect(reverse(f"keys:{page}"))


def _form(request: HtmxHttpRequest, ids: str = "view") -> SavedViewForm:
    form = SavedViewForm(request.POST, may_share=actor_of(request).may(Action.SHARE_VIEW), ids=ids)
    form.full_clean()
    return form


def _sent(form: SavedViewForm) -> dict[str, Any]:
    """Return the input, though it may not be valid or not be offered: the action decides."""
    return {"name": str(form.data.get("name", "")), "shared": bool(form.data.get("shared"))}


def _params(request: HtmxHttpRequest) -> QueryDict:
    """Return the query string of the page on which the form is."""
    return QueryDict(request.POST.get("query", ""), mutable=True)
