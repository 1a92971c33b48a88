"""Give a filter of the activity a name, or forget it: a person's own bookmarks."""

from __future__ import annotations

from django.http import QueryDict
from django.utils.http import urlencode

from keys.audit.guard import authorize
from keys.models import SavedFilter
from keys.rules.errors import Invalid, NotFound
from keys.rules.policy import Action, Actor
from keys.selectors.activity.filters import ActivityFilter

MOST = 50


def save_filter(actor: Actor, params: QueryDict, name: str) -> SavedFilter:
    """Keep what narrows the list in ``params`` under ``name``, in the place of an earlier one of that name.

    Raises ``NotAllowed``, and ``Invalid`` where there is no filter to keep, or are fifty already.
    """
    authorize(actor, Action.SEE_ACTIVITY)
    wanted = ActivityFilter(params)
    if not wanted.is_valid() or not wanted.in_use():
        raise Invalid(name="Choose a filter first, then save it.")
    others = SavedFilter.objects.filter(user_id=actor.user_id).exclude(name=name)
    if others.count() >= MOST:
        raise Invalid(name=f"You have {MOST} saved filters. Delete one first.")
    query = urlencode(wanted.in_use())
    saved, _ = SavedFilter.objects.update_or_create(
        user_id=actor.user_id, name=name, defaults={"query": query}
    )
    return saved


def forget_filter(actor: Actor, filter_id: int) -> None:
    """Raises ``NotAllowed``, and ``NotFound`` also for somebody else's."""
    authorize(actor, Action.SEE_ACTIVITY)
    deleted, _ = SavedFilter.objects.filter(user_id=actor.user_id, pk=filter_id).delete()
    if not deleted:
        raise NotFound("There is no such saved filter.")
