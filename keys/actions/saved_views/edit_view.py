"""Rename a saved view, share it, or make it private."""

from __future__ import annotations

from django.db import transaction

from keys.actions.saved_views.record import record_change, record_sharing
from keys.actions.saved_views.turn import authorize_change, in_turn
from keys.audit.guard import authorize
from keys.models import SavedView
from keys.rules.errors import Invalid
from keys.rules.permissions import Action, Actor
from keys.validation.saved_view import check_view
from keys.validation.text import tidy


def edit_view(actor: Actor, view_id: int, name: str, *, shared: bool) -> SavedView:
    """Give the view this name, and show it to everybody who may open its page, or only to its author.

    Raises ``Invalid``, ``NotFound`` and ``NotAllowed``.
    """
    authorize_change(actor, view_id)
    if shared:
        authorize(actor, Action.SHARE_VIEW)
    with transaction.atomic():
        view = in_turn(actor, view_id)
        before, was_shared = _values(view), view.shared
        view.name, view.shared = tidy(name), shared
        if was_shared and not shared and view.user_id != actor.user_id and not view.user.is_active:
            raise Invalid(shared="Its author has left, so nobody would see it. Delete it instead.")
        check_view(view)
        view.save(update_fields=["name", "name_order", "shared"])
        after = _values(view)
        if shared and not was_shared:
            record_sharing(actor, view)
        elif was_shared and before != after:
            differing = {part for part in before if before[part] != after[part]}
            said = ({part: values[part] for part in sorted(differing)} for values in (before, after))
            record_change(actor, view, *said)
    return view


def _values(view: SavedView) -> dict[str, str]:
    return {"name": view.name, "shared": "yes" if view.shared else "no"}
