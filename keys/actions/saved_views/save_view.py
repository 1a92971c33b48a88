"""Save the filters, the sort order and the columns of a page as a new view."""

from __future__ import annotations

from django.db import transaction
from django.http import QueryDict

from keys.actions.saved_views.record import record_sharing
from keys.audit.guard import authorize
from keys.models import SavedView
from keys.rules.permissions import Action, Actor
from keys.selectors.saved_views.page import open_page, query_of
from keys.validation.saved_view import check_view
from keys.validation.text import tidy


def save_view(actor: Actor, page: str, params: QueryDict, name: str, *, shared: bool = False) -> SavedView:
    """Save the filters, the sort order and the columns in ``params`` as a view of ``page``.

    Raises ``Invalid`` for the name if ``params`` or the name is not valid, if the name is taken, or if there
    are too many views.
    """
    open_page(actor, page)
    if shared:
        authorize(actor, Action.SHARE_VIEW)
    view = SavedView(page=page, user_id=actor.user_id, name=tidy(name), shared=shared)
    view.query = query_of(page, params)
    with transaction.atomic():
        SavedView.objects.take_turn(actor.user_id, page)
        check_view(view)
        view.save(force_insert=True)
        if shared:
            record_sharing(actor, view)
    return view
