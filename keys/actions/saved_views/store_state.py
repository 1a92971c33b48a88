"""Replace the filters, the sort order and the columns of a saved view."""

from __future__ import annotations

from django.db import transaction
from django.http import QueryDict

from keys.actions.saved_views.record import in_words, record_change
from keys.actions.saved_views.turn import authorize_change, in_turn
from keys.models import SavedView
from keys.rules.permissions import Actor
from keys.selectors.saved_views.page import query_of
from keys.validation.saved_view import check_query


def store_state(actor: Actor, view_id: int, params: QueryDict) -> SavedView:
    """Store the filters, the sort order and the columns in ``params`` in the view.

    Raises ``Invalid``, ``NotFound`` and ``NotAllowed``.
    """
    authorize_change(actor, view_id)
    with transaction.atomic():
        view = in_turn(actor, view_id)
        before, after = view.query, query_of(view.page, params)
        check_query(after)
        view.query = after
        view.save(update_fields=["query"])
        if view.shared and before != after:
            record_change(actor, view, *({"filter": in_words(query)} for query in (before, after)))
    return view
