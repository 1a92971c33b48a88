"""Return a page of a person's inbox, and how much waits for them."""

from __future__ import annotations

from dataclasses import dataclass

from django import forms
from django.db.models import F, QuerySet
from django.http import QueryDict
from django.utils import timezone

from keys.models import InboxItem
from keys.rules.notifications import Kind
from keys.rules.permissions import Action, Actor
from keys.rules.rotation import ROTATED
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
class Row:
    """``may_rotate``: the item reminds of a key that the person may rotate."""

    item: InboxItem
    may_rotate: bool


@dataclass(frozen=True)
class Inbox:
    """``waiting`` is a bounded count, such as ``3`` or ``99+``, or empty."""

    form: InboxForm
    page: Page[Row]
    waiting: str
    has_messages: bool


def waiting_for(user_id: int) -> str:
    """Return the number of open tasks and unread messages of the person: ``3``, ``99+``, or "" for none."""
    count = bounded_count(_waiting(user_id), MOST_COUNTED)
    return f"{MOST_COUNTED}+" if count > MOST_COUNTED else str(count or "")


def inbox_page(actor: Actor, params: QueryDict) -> Inbox:
    """Return the page for the query string ``params``. Everybody has their own inbox."""
    form, own = InboxForm(params), InboxItem.objects.filter(user_id=actor.user_id)
    found: Page[Row] = Page([], None, None)
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
        items = InboxItem.objects.select_related("notification__key__owner")
        by_id = items.in_bulk([row[0] for row in ids.rows])
        rows = [_row(actor, by_id[row[0]]) for row in ids.rows if row[0] in by_id]
        found = Page(rows, ids.after, ids.before)
    has_messages = own.filter(state=State.MESSAGE).exists()
    return Inbox(form, found, waiting_for(actor.user_id), has_messages)


def _row(actor: Actor, item: InboxItem) -> Row:
    key = item.notification.key
    if item.notification.kind != Kind.KEY_EXPIRES or item.done_at is not None or key is None:
        return Row(item, may_rotate=False)
    is_active = key.state in list(ROTATED) and key.expires_at > timezone.now()
    return Row(item, may_rotate=is_active and actor.may(Action.ROTATE_KEY, key))


def _waiting(user_id: int) -> QuerySet[InboxItem]:
    return InboxItem.objects.filter(user_id=user_id, state__in=WAITING)


def _shown(own: QuerySet[InboxItem], show: str) -> QuerySet[InboxItem]:
    """Return the items that the filter shows. An index has each kind of them in the order of the page."""
    if show == "all":
        return own
    return own.filter(state=show) if show else own.filter(state__in=WAITING)
