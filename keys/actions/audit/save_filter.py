"""Save and delete a person's named filters of the activity."""

from __future__ import annotations

from django.db import transaction
from django.http import QueryDict
from django.utils.http import urlencode

from keys.audit.guard import authorize
from keys.models import SavedFilter, User
from keys.rules import key_text
from keys.rules.errors import Invalid, NotFound
from keys.rules.policy import Action, Actor
from keys.selectors.activity.filters import ActivityFilter

MAX_FILTERS = 50


def save_filter(actor: Actor, params: QueryDict, name: str) -> SavedFilter:
    """Save the filter in ``params`` under ``name``, replacing an earlier one with that name.

    Raises ``Invalid`` if ``params`` has no filter, or if the person already has fifty.
    """
    authorize(actor, Action.SEE_ACTIVITY)
    wanted = ActivityFilter(params)
    if not wanted.is_valid() or not wanted.in_use():
        raise Invalid(name="Choose a filter first, then save it.")
    for text in (name, wanted.in_words()):
        if key_text.redacted(text) != text:
            raise Invalid(name="The filter contains a text that may be an API key. Remove it.")
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=actor.user_id)  # one save at a time counts
        others = SavedFilter.objects.filter(user_id=actor.user_id).exclude(name=name)
        if others.count() >= MAX_FILTERS:
            raise Invalid(name=f"You have {MAX_FILTERS} saved filters. Delete one first.")
        query = urlencode(wanted.in_use(), doseq=True)
        saved, _ = SavedFilter.objects.update_or_create(
            user_id=actor.user_id, name=name, defaults={"query": query}
        )
    return saved


def forget_filter(actor: Actor, filter_id: int) -> None:
    """Delete a saved filter. Raises ``NotFound`` if it does not exist or belongs to another person."""
    authorize(actor, Action.SEE_ACTIVITY)
    deleted, _ = SavedFilter.objects.filter(user_id=actor.user_id, pk=filter_id).delete()
    if not deleted:
        raise NotFound("There is no such saved filter.")
