"""Return the saved views of a page, and how the page differs from the view that is open."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Q
from django.http import QueryDict
from django.utils.http import urlencode

from keys.audit.guard import authorize
from keys.models import SavedView
from keys.rules.errors import Invalid, NotFound
from keys.rules.permissions import Action, Actor
from keys.selectors.activity.filters import ActivityFilter
from keys.selectors.inventory.filters import InventoryFilter
from keys.selectors.inventory.table import visible_to

Page = SavedView.Page
Filter = InventoryFilter | ActivityFilter

OF_PEOPLE = frozenset({"owner", "accountable", "backup"})
"""Filters with the emails of people. Those who see only their own keys get no shared view with one."""


def filter_of(page: str, params: QueryDict) -> Filter:
    return InventoryFilter(params) if page == Page.INVENTORY else ActivityFilter(params)


def query_of(page: str, params: QueryDict) -> str:
    """Return the query string of a view of the page ``params``. It is empty for the whole list.

    Raises ``Invalid`` if a value is not valid.
    """
    wanted = filter_of(page, params)
    if not wanted.is_valid():
        raise Invalid(name=f"This filter cannot be used, so it cannot be saved. {wanted.reasons()}")
    return urlencode(wanted.state(), doseq=True)


def open_page(actor: Actor, page: str) -> bool:
    """Return whether the actor sees everything on the page. Raise ``NotAllowed`` if they may not open it."""
    if page == Page.INVENTORY:
        return not visible_to(actor)
    authorize(actor, Action.SEE_ACTIVITY)
    return True


def saved_view_for(actor: Actor, view_id: int, page: str = "") -> SavedView:
    """Return a view, of ``page`` if it is given, that is the actor's own or shared. Raise ``NotFound``."""
    views = SavedView.objects.filter(page=page) if page else SavedView.objects.all()
    found = views.filter(_own_or_shared(actor), pk=view_id).select_related("user").first()
    if found is None or not _is_for(actor, found, sees_all=open_page(actor, found.page)):
        raise NotFound("There is no such saved view.")
    return found


def may_change(actor: Actor, view: SavedView) -> bool:
    """Return whether the actor may change a view that they may open."""
    if view.user_id != actor.user_id:
        return actor.may(Action.CHANGE_SHARED_VIEW)
    return not view.shared or actor.may(Action.SHARE_VIEW)


@dataclass(frozen=True)
class SavedViews:
    """The views of a page as tabs. ``current``: the one that is open. ``query``: the page's state.

    ``is_changed``: the page differs from it. ``is_gone``: the address names one that the actor cannot open.
    """

    page: str
    views: list[SavedView]
    current: SavedView | None
    query: str
    is_valid: bool
    is_changed: bool
    is_gone: bool
    may_share: bool
    may_change: bool

    @property
    def can_save(self) -> bool:
        return bool(self.query)


def saved_views(actor: Actor, page: str, wanted: Filter) -> SavedViews:
    """Return the views that the actor may open on ``page``, by name, with one query.

    ``wanted`` is the page's filter. The actor must be allowed to open the page.
    """
    sees_all = page != Page.INVENTORY or actor.may(Action.SEE_INVENTORY)
    found = SavedView.objects.filter(_own_or_shared(actor), page=page).select_related("user")
    views = [view for view in found.order_by("name_order", "pk") if _is_for(actor, view, sees_all=sees_all)]
    is_valid = wanted.is_valid()
    asked = wanted.form.cleaned_data.get("view")
    current = next((view for view in views if view.pk == asked), None)
    query = urlencode(wanted.state(), doseq=True) if is_valid else ""
    return SavedViews(
        page=page,
        views=views,
        current=current,
        query=query,
        is_valid=is_valid,
        is_changed=is_valid and current is not None and query != _now(current),
        is_gone=bool(asked) and current is None,
        may_share=actor.may(Action.SHARE_VIEW),
        may_change=current is not None and may_change(actor, current),
    )


def params_of(view: SavedView) -> QueryDict:
    """Return the query string that opens the view."""
    params = QueryDict(view.query, mutable=True)
    params["view"] = str(view.pk)
    return params


def _now(view: SavedView) -> str:
    """Return the view's query string as this version writes it, or as it is if it is not valid any more."""
    try:
        return query_of(view.page, QueryDict(view.query))
    except Invalid:
        return view.query


def _own_or_shared(actor: Actor) -> Q:
    return Q(user_id=actor.user_id) | Q(shared=True)


def _is_for(actor: Actor, view: SavedView, *, sees_all: bool) -> bool:
    return sees_all or view.user_id == actor.user_id or not OF_PEOPLE & QueryDict(view.query).keys()
