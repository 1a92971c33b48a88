"""What the inventory's query string may say: filters, sort order, and the row to continue from."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import django_filters
from django.conf import settings
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Lower
from django.utils import timezone

from keys import scopes as catalogue
from keys.lifecycle import Phase, State
from keys.models import ApiKey, KeyScope
from keys.selectors import search
from keys.selectors.keyset import Order

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
    "name": (Lower("name"), F("id")),
    "owner": (Lower("owner_name"), F("id")),
    "scopes": (F("scope_count"), F("id")),
    "created": (F("created_at"), F("id")),
    "expires": (F("expires_at"), F("id")),
    "last-used": (F("last_used_order"), F("id")),
    "status": (F("phase"), F("expires_at"), F("id")),
}
SORT_CHOICES = [(f"{sign}{name}", name) for name in SORTS for sign in ("", "-")]


def order_of(chosen: dict[str, Any]) -> Order:
    """The order that was asked for; else soonest expiry first in an expiry window, newest first elsewhere."""
    sort = chosen["sort"] or _default_sort(chosen)
    return Order(SORTS[sort.lstrip("-")], descending=sort.startswith("-"))


def _default_sort(chosen: dict[str, Any]) -> str:
    if chosen["expires"]:
        return "expires"
    return "-expires" if chosen["status"] == "expired" else "-created"


class InventoryFilter(django_filters.FilterSet):
    q = django_filters.CharFilter(
        method="search", label="Search by name or owner", min_length=search.SHORTEST, max_length=200
    )
    status = django_filters.ChoiceFilter(
        method="by_status", label="Status", choices=STATUSES, empty_label="All but failed"
    )
    scope = django_filters.ChoiceFilter(method="by_scope", label="Scope", choices=[], empty_label="Any scope")
    owner = django_filters.CharFilter(method="by_owner", label="Owner's e-mail", max_length=254)
    expires = django_filters.ChoiceFilter(
        method="by_expiry", label="Expires", choices=EXPIRY_WINDOWS, empty_label="Any time"
    )
    sort = django_filters.ChoiceFilter(method="unchanged", choices=SORT_CHOICES)
    after = django_filters.UUIDFilter(method="unchanged")
    before = django_filters.UUIDFilter(method="unchanged")

    class Meta:
        model = ApiKey
        fields: list[str] = []

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = catalogue.offered(settings.PORTAL_EXTRA_SCOPES)
        self.filters["scope"].extra["choices"] = [(scope.id, scope.label) for scope in offered]

    def filter_queryset(self, queryset: QuerySet[ApiKey]) -> QuerySet[ApiKey]:
        if not self.form.cleaned_data["status"]:
            queryset = queryset.exclude(phase=Phase.FAILED)
        return super().filter_queryset(queryset)

    def search(self, keys: QuerySet[ApiKey], _name: str, text: str) -> QuerySet[ApiKey]:
        return search.matching(keys, text)

    def by_status(self, keys: QuerySet[ApiKey], _name: str, wanted: str) -> QuerySet[ApiKey]:
        return keys.filter(_status(wanted))

    def by_scope(self, keys: QuerySet[ApiKey], _name: str, scope: str) -> QuerySet[ApiKey]:
        return keys.filter(Exists(KeyScope.objects.filter(key=OuterRef("pk"), scope=scope)))

    def by_owner(self, keys: QuerySet[ApiKey], _name: str, email: str) -> QuerySet[ApiKey]:
        return keys.filter(owner__email=email.strip().lower())

    def by_expiry(self, keys: QuerySet[ApiKey], _name: str, days: str) -> QuerySet[ApiKey]:
        now = timezone.now()
        return keys.filter(
            phase=Phase.LIVE, expires_at__gt=now, expires_at__lte=now + timedelta(days=int(days))
        )

    def unchanged(self, keys: QuerySet[ApiKey], _name: str, _value: Any) -> QuerySet[ApiKey]:
        return keys

    sort_names = tuple(SORTS)

    def sort_in_use(self) -> str:
        """The sort as the query string would name it; empty where the filter is not valid."""
        chosen = self.form.cleaned_data
        return (chosen["sort"] or _default_sort(chosen)) if self.is_valid() else ""

    def in_words(self) -> str:
        """The filter as one line, for the first line of an export and for the audit event."""
        chosen = self.form.cleaned_data
        parts = [
            f"{name}={chosen[name]}" for name in ("q", "status", "scope", "owner", "expires") if chosen[name]
        ]
        return ", ".join(parts) or "all but failed"

    def reasons(self) -> str:
        return " ".join(str(reason) for reasons in self.form.errors.values() for reason in reasons)


def _status(wanted: str) -> Q:
    now = timezone.now()
    active = Q(phase=Phase.LIVE, expires_at__gt=now)
    return {
        "active": active,
        "pending": Q(phase=Phase.PENDING),
        "expired": Q(phase=Phase.LIVE, expires_at__lte=now),
        "removed": Q(phase=Phase.REMOVED),
        "failed": Q(phase=Phase.FAILED),
        "unconfirmed": Q(state__in=[State.READY, State.CLAIMED]),
        "never-used": active & Q(last_used_at__isnull=True),
    }[wanted]
