"""Let changes of saved views take turns, and check who may make them."""

from __future__ import annotations

from keys.audit.guard import authorize
from keys.models import SavedView
from keys.rules.errors import NotFound
from keys.rules.permissions import Action, Actor
from keys.selectors.saved_views.page import may_change, saved_view_for


def authorize_change(actor: Actor, view_id: int) -> None:
    """Raise ``NotFound`` or ``NotAllowed`` unless the actor may change the view."""
    view = saved_view_for(actor, view_id)
    if view.user_id != actor.user_id:
        authorize(actor, Action.CHANGE_SHARED_VIEW)
    elif view.shared:
        authorize(actor, Action.SHARE_VIEW)


def in_turn(actor: Actor, view_id: int) -> SavedView:
    """Return the view as it stays until the transaction ends, unless the caller changes it.

    Raises ``NotFound`` if somebody has deleted it or made it private since ``authorize_change``.
    """
    view = saved_view_for(actor, view_id)
    SavedView.objects.take_turn(view.user_id, view.page)
    view = saved_view_for(actor, view_id)
    if not may_change(actor, view):
        raise NotFound("There is no such saved view.")
    return view
