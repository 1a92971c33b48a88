"""Return a page of a person's inbox, and how much waits for them."""

from __future__ import annotations

from dataclasses import dataclass

from django import forms
from django.db.models import F, QuerySet
from django.http import QueryDict

from keys.models import InboxItem
from keys.rules.permissions import Actor
from keys.selectors.counts import bounded_count
from keys.selectors.inventory.keyset import Order, Page, page
from keys.selectors.inventory.widgets import PlainSelect

State = InboxItem.State
WAITING = (State.TASK, State.MESSAGE)
MOST_COUNTED = 99
_LARGEST_ID = 2**63 - 1
_NEWEST_FIRST = Order((F("id"),), descending=True)
_SHOWN = [
    ("", "What waits"),
    (State.TASK.value, "Tasks that wait"),
    (State.MESSAGE.value, "Unread messages"),
    (State.DONE.value, "What is done or read"),
    ("all", "Everything"),
]


class InboxForm(forms.Form):
    show = forms.ChoiceField(required=False, label="Show", choices=_SHOWN, widget=PlainSelect)
    after = forms.IntegerField(required=False, min_value=0, max_value=_LARGEST_ID)
    before = forms.IntegerField(required=False, min_value=0, max_value=_LARGEST_ID)


@dataclass(frozen=True)
class Inbox:
    """``waiting`` is a bounded count, such as ``3`` or ``99+``, or empty."""

    form: InboxForm
    page: Page[InboxItem]
    waiting: str
    has_messages: bool


def waiting_for(user_id: int) -> str:
    """Return the number of open tasks and unread messages of the person: ``3``, ``99+``, or "" for none."""
    count = bounded_count(_waiting(user_id), MOST_COUNTED)
    return f"{MOST_COUNTED}+" if count > MOST_COUNTED else str(count or "")


def inbox_page(actor: Actor, params: QueryDict) -> Inbox:
    """Return the page for the query string ``params``. Everybody has their own inbox."""
    form, own = InboxForm(params), InboxItem.objects.filter(user_id=actor.user_id)
    found: Page[InboxItem] = Page([], None, None)
    if form.is_valid():
        chosen = form.cleaned_data
        among = [(own.filter(state=state), _NEWEST_FIRST) for state in WAITING]
        ids = page(
            _shown(own, chosen["show"]).values_list("pk"),
            _NEWEST_FIRST,
            own,
            after=chosen["after"],
            before=chosen["before"],
            among=() if chosen["show"] else among,
        )
        items = InboxItem.objects.select_related("notification").in_bulk([row[0] for row in ids.rows])
        found = Page([items[row[0]] for row in ids.rows if row[0] in items], ids.after, ids.before)
    has_messages = own.filter(state=State.MESSAGE).exists()
    return Inbox(form, found, waiting_for(actor.user_id), has_messages)


def _waiting(user_id: int) -> QuerySet[InboxItem]:
    return InboxItem.objects.filter(user_id=user_id, state__in=WAITING)


def _shown(own: QuerySet[InboxItem], show: str) -> QuerySet[InboxItem]:
    """Return the items that the filter shows. An index has each kind of them in the order of the page."""
    if show == "all":
        return own
    return own.filter(state=show) if show else own.filter(state__in=WAITING)
