"""Saved views of the inventory and of the activity: save, change and delete them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from keys.actions.saved_views.delete_view import delete_view
from keys.actions.saved_views.edit_view import edit_view
from keys.actions.saved_views.save_view import save_view
from keys.actions.saved_views.store_state import store_state
from keys.forms.existing_key import refuse
from keys.forms.saved_view import SavedViewForm
from keys.models import SavedView
from keys.rules.errors import Invalid
from keys.rules.permissions import Action
from keys.selectors.saved_views.deletion import deletion_page
from keys.selectors.saved_views.page import params_of, saved_view_for
from keys.views.activity import list_events
from keys.views.htmx import HtmxHttpRequest
from keys.views.inventory import list_keys
from keys.views.people import actor_of

Page = SavedView.Page
LISTS: dict[str, Callable[..., HttpResponse]] = {Page.INVENTORY: list_keys, Page.ACTIVITY: list_events}
"""The view of each list, which takes the query string and, if it has errors, the form of a saved view."""


@require_POST
def save_list(request: HtmxHttpRequest, page: Page) -> HttpResponse:
    """Save the list as a view."""
    form, params = _form(request), _params(request)
    try:
        view = save_view(actor_of(request), page, params, **_sent(form))
    except Invalid as invalid:
        refuse(form, invalid)
        return LISTS[page](request, params, new=form)
    messages.success(request, f"The view “{view.name}” is saved.")
    return HttpResponseRedirect(reverse(f"keys:{page}", query=params_of(view)))


@require_POST
def store_list(request: HtmxHttpRequest, page: Page, view_id: int) -> HttpResponse:
    """Store the list in the view that is open."""
    params = _params(request)
    saved_view_for(actor_of(request), view_id, page)
    try:
        view = store_state(actor_of(request), view_id, params)
    except Invalid as invalid:
        messages.warning(request, " ".join(invalid.fields.values()))
        return HttpResponseRedirect(reverse(f"keys:{page}", query=params))
    messages.success(request, f"The changes to the view “{view.name}” are saved.")
    return HttpResponseRedirect(reverse(f"keys:{page}", query=params_of(view)))


@require_POST
def change_view(request: HtmxHttpRequest, page: Page, view_id: int) -> HttpResponse:
    """Rename the view, or change who sees it."""
    form, params = _form(request, ids="edit"), _params(request)
    saved_view_for(actor_of(request), view_id, page)
    try:
        view = edit_view(actor_of(request), view_id, **_sent(form))
    except Invalid as invalid:
        refuse(form, invalid)
        params["view"] = str(view_id)
        return LISTS[page](request, params, edited=form)
    messages.success(request, f"The view “{view.name}” is changed.")
    return HttpResponseRedirect(reverse(f"keys:{page}", query=params))


@require_http_methods(["GET", "HEAD", "POST"])
def forget_view(request: HtmxHttpRequest, page: Page, view_id: int) -> HttpResponse:
    """Ask (GET), then delete the view (POST)."""
    if request.method != "POST":
        context = {
            "section": "activity" if page == Page.ACTIVITY else "keys",
            "page": deletion_page(actor_of(request), view_id, page),
            "delete_url": reverse(f"keys:{page}-forget", args=[view_id]),
            "back": reverse(f"keys:{page}", query={"view": view_id}),
        }
        return render(request, "keys/saved_views.html", context)
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
