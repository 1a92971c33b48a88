"""Parse the activity page's query string: filters, and the event to continue from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cached_property
from math import isqrt
from typing import Any

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.http import QueryDict
from django.utils import timezone

from keys.models import ApiKey, AuditEvent
from keys.rules.events import Event
from keys.rules.folded_text import fold
from keys.selectors.activity.addresses import addresses_of
from keys.selectors.counts import has_at_most
from keys.selectors.inventory import search
from keys.selectors.inventory.conditions import FEW, user_id_of
from keys.selectors.inventory.keyset import Order, Window
from keys.selectors.inventory.widgets import PlainChoices, PlainInput, PlainSelect, ViewField

Events = QuerySet[AuditEvent]

GROUPS = {
    "API keys": ("key", "rotation", "bulk"),
    "Requests and reviews": ("request", "review"),
    "Inventory and reports": ("inventory", "activity", "view", "evidence"),
    "Sign-in and refusals": ("session", "password", "factor", "sso", "attempt"),
    "People and roles": ("person", "roles", "policy", "exception"),
    "Safeguards": ("sweep", "pause", "quarantine"),
    "Notifications": ("notification", "channel", "calendar"),
    "Audit log": ("record",),
}
"""The resources in the types of each group of events."""

NEWEST_FIRST = Order((F("at"), F("id")), descending=True)
_INSTANT = datetime.resolution
_LARGEST_ID = 2**63 - 1
_EVENTS_PER_LOOKUP = 25
_DAY: dict[str, Any] = {
    "required": False,
    "widget": forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    # Near the ends of the calendar, the start of a day in some time zones does not exist in UTC.
    "validators": [MinValueValidator(date(2000, 1, 1)), MaxValueValidator(date(2999, 12, 31))],
}


def grouped() -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the types of events in groups, each sorted by its label."""
    return [
        (
            group,
            sorted(
                ((event.value, event.label) for event in Event if event.value.partition(":")[0] in resources),
                key=lambda choice: choice[1],
            ),
        )
        for group, resources in GROUPS.items()
    ]


class ActivityForm(forms.Form):
    actor = forms.CharField(required=False, label="Who (email)", max_length=254, widget=PlainInput)
    owner = forms.CharField(required=False, label="Key's owner", max_length=254, widget=PlainInput)
    key_name = forms.CharField(
        required=False,
        label="API key's name",
        max_length=100,
        widget=PlainInput(attrs={"autocomplete": "off"}),
    )
    type = forms.MultipleChoiceField(
        required=False, label="What", choices=grouped, widget=PlainChoices("Anything")
    )
    outcome = forms.ChoiceField(
        required=False,
        label="Outcome",
        choices=[("", "Any outcome"), *AuditEvent.Outcome.choices],
        widget=PlainSelect,
    )
    since = forms.DateField(label="From", **_DAY)
    until = forms.DateField(label="To", **_DAY)
    ip = forms.GenericIPAddressField(
        required=False,
        label="IP address",
        widget=PlainInput,
        error_messages={"invalid": "Enter an IP address such as 192.0.2.7."},
    )
    key = forms.UUIDField(required=False, label="Key id", widget=PlainInput)
    zone = forms.ChoiceField(
        required=False, label="Days in", choices=[("", "your time zone"), ("utc", "UTC")], widget=PlainSelect
    )
    after = forms.IntegerField(required=False, min_value=0, max_value=_LARGEST_ID)
    before = forms.IntegerField(required=False, min_value=0, max_value=_LARGEST_ID)
    view = ViewField()

    def __init__(self, params: QueryDict) -> None:
        given = params.copy()
        given.setlist("type", [value for value in given.getlist("type") if value])
        super().__init__(given)

    def clean_key_name(self) -> str:
        text = str(self.cleaned_data["key_name"])
        if text and not search.is_long_enough(text):
            raise forms.ValidationError(f"Enter a word of at least {search.SHORTEST} characters.")
        return text


def by_key_name(events: Events, text: str) -> Events:
    """Return the events about keys with each word of ``text`` in their present name."""
    named = Q(*(Q(name_order__contains=word) for word in fold(text).split()))
    condition = search.containing(text)
    if condition.matches_few(ApiKey.objects.all()):
        keys = ApiKey.objects.filter(condition.found).filter(named)
        return events.filter(key_id__in=list(keys.values_list("pk", flat=True)))
    return events.filter(Exists(ApiKey.objects.filter(named, pk=OuterRef("key_id"))))


def by_owner(events: Events, email: str) -> Events:
    """Return the events about the keys that the person owns now.

    If the person owns few keys, look the events up by key. If they own many, check the key of each event in
    the order of the page, because a page is soon full. The check is correlated: SQLite would collect all keys
    of an uncorrelated subquery first.
    """
    owned = ApiKey.objects.filter(owner_id=user_id_of(email))
    if has_at_most(owned, _few_keys()):
        return events.filter(key_id__in=owned.values("pk"))
    return events.filter(Exists(owned.filter(pk=OuterRef("key_id"))))


def _few_keys() -> int:
    """Return the number of owned keys up to which looking events up by key is the faster way.

    The lookup takes time in proportion to the number of keys, and the check of each event in inverse
    proportion to it, so they are equal near the square root of the number of events. Measured on SQLite.
    """
    newest = AuditEvent.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    return max(FEW, isqrt(_EVENTS_PER_LOOKUP * newest))


def _one_of(events: Events, column: str, values: Sequence[str]) -> Events:
    if len(values) == 1:
        return events.filter((column, values[0]))
    return events.filter((f"{column}__in", list(values)))


_CONDITIONS: dict[str, Callable[[Events, Any], Events]] = {
    "actor": lambda events, email: _one_of(events, "actor_email", addresses_of(email)),
    "owner": by_owner,
    "key_name": by_key_name,
    "key": lambda events, key_id: events.filter(key_id=key_id),
    "type": lambda events, types: _one_of(events, "type", types),
    "outcome": lambda events, outcome: events.filter(outcome=outcome),
    "ip": lambda events, ip: events.filter(ip=ip),
}
FILTERS = (*_CONDITIONS, "since", "until", "zone")
"""The fields that narrow the list. The others select the page."""


class ActivityFilter:
    """The validated query string. ``chosen`` maps every field to its value, which is empty if not set."""

    def __init__(self, params: QueryDict) -> None:
        self.form = ActivityForm(params)

    def is_valid(self) -> bool:
        return self.form.is_valid()

    @property
    def chosen(self) -> dict[str, Any]:
        return self.form.cleaned_data

    def events(self) -> Events:
        events = AuditEvent.objects.all()
        for name, narrow in _CONDITIONS.items():
            if self.chosen[name]:
                events = narrow(events, self.chosen[name])
        return events

    def alternatives(self) -> list[tuple[Events, Order]]:
        """Return queries that together find the same events, if a filter has several values.

        Each walks an index in the order of the page. The list is empty if there is one value.
        """
        several: dict[str, Sequence[str]] = {"actor_email": self.addresses, "type": self.chosen["type"]}
        column = next((column for column, values in several.items() if len(values) > 1), None)
        if column is None:
            return []
        return [(self.events().filter((column, value)), self.order()) for value in several[column]]

    @cached_property
    def addresses(self) -> list[str]:
        return addresses_of(self.chosen["actor"]) if self.chosen["actor"] else []

    def finds_single_events(self) -> bool:
        """Return whether a filter asks for single events, which a page then doesn't fold into acts."""
        return bool(self.chosen["type"] or self.chosen["outcome"])

    def is_counted_by_an_index(self) -> bool:
        """Return whether at most one filter is in use, and that one has an index over its events."""
        narrowing = self.in_use().keys() - {"since", "until", "zone"}
        return len(narrowing) <= 1 and not narrowing & {"owner", "key_name"}

    def order(self) -> Order:
        """Return the order: newest first, from the start of ``since`` to the end of ``until``."""
        since, until = self.chosen["since"], self.chosen["until"]
        zone = UTC if self.chosen["zone"] else timezone.get_current_timezone()
        low = _start_of(since, zone) - _INSTANT if since else None
        high = _start_of(until + timedelta(days=1), zone) - _INSTANT if until else None
        return replace(NEWEST_FIRST, window=Window(low, high))

    def in_use(self) -> dict[str, str | list[str]]:
        """Return the filters that narrow the list, as in the query string. An invalid one has none."""
        if not self.is_valid():
            return {}
        chosen = {name: self.chosen[name] for name in FILTERS if self.chosen[name]}
        return {name: value if isinstance(value, list) else str(value) for name, value in chosen.items()}

    def state(self) -> dict[str, str | list[str]]:
        """Return the part of the query string that a saved view stores. Pages with equal states are equal."""
        return {
            name: sorted(value) if isinstance(value, list) else value for name, value in self.in_use().items()
        }

    def in_words(self) -> str:
        values = self.in_use().items()
        words = (f"{name}={' '.join(value) if isinstance(value, list) else value}" for name, value in values)
        return ", ".join(words) or "everything"

    def reasons(self) -> str:
        return " ".join(str(reason) for reasons in self.form.errors.values() for reason in reasons)


def _start_of(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day, time.min, tzinfo=zone)
