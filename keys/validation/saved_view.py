"""Check the name and the content of a saved view, and how many there are."""

from __future__ import annotations

from django.http import QueryDict

from keys.models import SavedView
from keys.rules import key_text
from keys.rules.errors import Invalid
from keys.rules.folded_text import fold
from keys.validation.text import check_text

NAME_LENGTH = 60
QUERY_LENGTH = 3500
"""The web server accepts addresses of some 4,000 characters."""
MOST_VIEWS, MOST_SHARED = 50, 50
"""The views of one person, and the shared views of all people, on each page."""


def check_view(view: SavedView) -> None:
    """Raise ``Invalid`` if ``view``, which need not be stored yet, breaks a rule.

    The caller must have its turn (``SavedView.objects.take_turn``).
    """
    check_text("name", "The name", view.name, NAME_LENGTH)
    check_query(view.query)
    others = SavedView.objects.filter(page=view.page).exclude(pk=view.pk)
    own, shared = others.filter(user_id=view.user_id), others.filter(shared=True)
    if (shared if view.shared else own.filter(shared=False)).filter(name_order=fold(view.name)).exists():
        kind = "shared view" if view.shared else "view"
        raise Invalid(
            name=f"There is already a {kind} called “{view.name}”. Choose another name, or change that one."
        )
    if own.count() >= MOST_VIEWS:
        raise Invalid(name=f"You have {MOST_VIEWS} saved views of this page. Delete one first.")
    if view.shared and shared.count() >= MOST_SHARED:
        raise Invalid(name=f"There are {MOST_SHARED} shared views of this page. Delete one first.")


def check_query(query: str) -> None:
    """Raise ``Invalid`` if the query string is empty, too long, or contains a text that may be a key."""
    if not query:
        raise Invalid(name="Choose filters, a sort order or columns first, then save the view.")
    if len(query) > QUERY_LENGTH:
        raise Invalid(name="The filters of this view are too long to be saved. Choose fewer or shorter ones.")
    values = [value for _, values in QueryDict(query).lists() for value in values]
    if any(key_text.redacted(value) != value for value in values):
        raise Invalid(name="The filter contains a text that may be an API key. Remove it.")
