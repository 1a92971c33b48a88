"""What the inventory's query string may say: filters, sort order, and the row to continue from."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.db.models import F
from django.http import QueryDict
from django.utils import timezone

from keys import plain_text
from keys import scopes as catalogue
from keys.lifecycle import Phase
from keys.models import LISTED, ApiKey, User
from keys.selectors import conditions, search
from keys.selectors.conditions import Condition, Keys
from keys.selectors.keyset import Order, Window
from keys.selectors.widgets import PlainInput, PlainSelect

STATUSES = [
    ("active", "Active"),
    ("pending", "Pending"),
    ("expired", "Expired"),
    ("removed", "Removed"),
    ("failed", "Failed"),
    ("unconfirmed", "Storage unconfirmed"),
    ("never-used", "Active, never used"),
]
EXPIRY_WINDOWS = [("7", "in 7 days"), ("30", "in 30 days"), ("90", "in 90 days")]

SORTS: dict[str, tuple[Any, ...]] = {
    "name": (F("name_order"), F("id")),
    "owner": (F("owner_order"), F("id")),
    "scopes": (F("scope_count"), F("id")),
    "created": (F("created_at"), F("id")),
    "expires": (F("expires_at"), F("id")),
    "last-used": (F("last_used_order"), F("id")),
    "status": (F("phase"), F("expires_at"), F("id")),
}
SORT_CHOICES = [(f"{sign}{name}", name) for name in SORTS for sign in ("", "-")]

_WITH_STATUS: dict[str, Callable[[datetime], Condition]] = {
    "active": lambda now: conditions.in_phase(Phase.LIVE, Window(low=now)),
    "pending": lambda _: conditions.in_phase(Phase.PENDING),
    "expired": lambda now: conditions.in_phase(Phase.LIVE, Window(high=now)),
    "removed": lambda _: conditions.in_phase(Phase.REMOVED),
    "failed": lambda _: conditions.in_phase(Phase.FAILED),
    "unconfirmed": lambda _: conditions.unconfirmed(),
    "never-used": conditions.never_used,
}


def default_sort(status: str = "", expires: str = "") -> str:
    """Soonest expiry first in an expiry window, latest first of what has expired, else newest first."""
    if expires:
        return "expires"
    return "-expires" if status == "expired" else "-created"


def with_status(status: str, now: datetime) -> Condition:
    """``status`` is one of ``STATUSES``."""
    return _WITH_STATUS[status](now)


def expiring(days: int, now: datetime) -> Condition:
    return conditions.in_phase(Phase.LIVE, Window(now, now + timedelta(days=days)))


class InventoryForm(forms.Form):
    q = forms.CharField(
        required=False,
        label="Search by name or owner",
        min_length=search.SHORTEST,
        max_length=200,
        widget=PlainInput,
    )
    status = forms.ChoiceField(
        required=False, label="Status", choices=[("", "All but failed"), *STATUSES], widget=PlainSelect
    )
    scope = forms.ChoiceField(required=False, label="Scope", widget=PlainSelect)
    owner = forms.CharField(required=False, label="Owner's e-mail", max_length=254, widget=PlainInput)
    expires = forms.ChoiceField(
        required=False, label="Expires", choices=[("", "Any time"), *EXPIRY_WINDOWS], widget=PlainSelect
    )
    sort = forms.ChoiceField(required=False, choices=[("", ""), *SORT_CHOICES])
    after = forms.UUIDField(required=False)
    before = forms.UUIDField(required=False)

    def __init__(self, params: QueryDict) -> None:
        super().__init__(params)
        scope = self.fields["scope"]
        assert isinstance(scope, forms.ChoiceField)
        offered = catalogue.offered(settings.PORTAL_EXTRA_SCOPES)
        scope.choices = [("", "Any scope"), *((scope.id, scope.label) for scope in offered)]


class InventoryFilter:
    """The query string, checked. ``chosen`` has what was asked for, empty where nothing was."""

    sort_names = tuple(SORTS)

    def __init__(self, params: QueryDict) -> None:
        self.form = InventoryForm(params)

    def is_valid(self) -> bool:
        return self.form.is_valid()

    @property
    def chosen(self) -> dict[str, Any]:
        return self.form.cleaned_data

    def keys(self, *also: Condition) -> tuple[Keys, Order]:
        """The keys that were asked for and meet ``also``, and how to walk them in the order asked for."""
        sort = self.sort_in_use()
        everything = ApiKey.objects.all()
        keys = everything if self.chosen["status"] == "failed" else everything.filter(LISTED)
        return conditions.narrow(keys, [*self._conditions(), *also], sort, SORTS[sort.lstrip("-")])

    def _conditions(self) -> list[Condition]:
        """Those that tend to hold the fewest first."""
        chosen, now = self.chosen, timezone.now()
        found = []
        if chosen["q"]:
            found.append(search.containing(chosen["q"]))
        if chosen["scope"]:
            found.append(conditions.with_scope(chosen["scope"]))
        if chosen["owner"]:
            person = User.objects.filter(email=chosen["owner"].lower())
            found.append(conditions.of_owner(person.values("pk")[:1]))
        if chosen["expires"]:
            found.append(expiring(int(chosen["expires"]), now))
        if chosen["status"]:
            found.append(with_status(chosen["status"], now))
        return found

    def sort_in_use(self) -> str:
        """The sort as the query string would name it; empty where the filter is not valid."""
        if not self.is_valid():
            return ""
        return self.chosen["sort"] or default_sort(self.chosen["status"], self.chosen["expires"])

    def in_use(self) -> dict[str, str]:
        """The filters that narrow the list."""
        names = ("q", "status", "scope", "owner", "expires")
        return {name: self.chosen[name] for name in names if self.chosen[name]}

    def in_words(self) -> str:
        """The filter as one line, for the first line of an export and for audit events, which last.

        A key that somebody has pasted into a field by mistake is left out.
        """
        parts = [f"{name}={plain_text.withheld(value)}" for name, value in self.in_use().items()]
        return ", ".join(parts) or "all but failed"

    def reasons(self) -> str:
        return " ".join(str(reason) for reasons in self.form.errors.values() for reason in reasons)
