"""Return what the deletion of a saved view changes, and for whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.http import QueryDict

from keys.audit.guard import authorize
from keys.models import SavedView, User
from keys.rules.permissions import Action, Actor, KeyManagement, matrix
from keys.selectors.saved_views.page import OF_PEOPLE, may_change, saved_view_for

SHOWN = 5


@dataclass(frozen=True)
class Deletion:
    """``others``: the first people who lose the shared view as well. ``more``: there are others besides them.

    ``by_key_owners``: so do people who see only their own keys.
    """

    view: SavedView
    is_own: bool
    others: Sequence[User]
    more: bool
    by_key_owners: bool


def deletion_page(actor: Actor, view_id: int, page: str) -> Deletion:
    """Raise ``NotFound`` or ``NotAllowed`` unless the actor may delete the view of ``page``."""
    view = saved_view_for(actor, view_id, page)
    if not may_change(actor, view):
        authorize(actor, Action.CHANGE_SHARED_VIEW)
    others = _others(actor, page) if view.shared else []
    is_of_keys = view.shared and page == SavedView.Page.INVENTORY
    return Deletion(
        view=view,
        is_own=view.user_id == actor.user_id,
        others=others[:SHOWN],
        more=len(others) > SHOWN,
        by_key_owners=is_of_keys and not OF_PEOPLE & QueryDict(view.query).keys(),
    )


def _others(actor: Actor, page: str) -> list[User]:
    """Return the first of the other people who see the whole page, those with the highest roles first."""
    action = Action.SEE_INVENTORY if page == SavedView.Page.INVENTORY else Action.SEE_ACTIVITY
    roles = matrix(KeyManagement(settings.PORTAL_KEY_MANAGEMENT))[action].roles
    people = User.objects.filter(role__in=roles, is_active=True).exclude(pk=actor.user_id)
    return list(people.order_by("-role", "name", "pk")[: SHOWN + 1])
