"""Delete a saved view."""

from __future__ import annotations

from django.db import transaction

from keys.actions.saved_views.record import record_deletion
from keys.actions.saved_views.turn import authorize_change, in_turn
from keys.models import SavedView
from keys.rules.permissions import Actor


def delete_view(actor: Actor, view_id: int) -> SavedView:
    """Delete the view and return it. Raises ``NotFound`` and ``NotAllowed``."""
    authorize_change(actor, view_id)
    with transaction.atomic():
        view = in_turn(actor, view_id)
        SavedView.objects.filter(pk=view.pk).delete()
        if view.shared:
            record_deletion(actor, view)
    return view
