"""The record of what happened, as rows of strings, filtered and paged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import django_filters
from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import F, QuerySet
from django.http import QueryDict
from django.utils import timezone

from keys import wording
from keys.audit.events import Event
from keys.audit.guard import authorize
from keys.audit.leaf import ERASED, readable
from keys.errors import Invalid
from keys.models import ApiKey, AuditEvent
from keys.policy import Action, Actor
from keys.scopes import label
from keys.selectors.inventory import Export
from keys.selectors.keyset import CountOf, Order, Page, Window, order_by, page
from keys.selectors.widgets import PlainSelect

NEWEST_FIRST = Order((F("at"), F("id")), descending=True)
_INSTANT = datetime.resolution
COLUMNS = (
    "id",
    "at",
    "type",
    "outcome",
    "actor_name",
    "actor_email",
    "actor_role",
    "key_id",
    "key_name",
    "ip",
    "browser",
    "reason",
    "uid",
    "details",
    "personal",
)


_DAY: dict[str, Any] = {
    "widget": forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    # Near either end of the calendar, a day's start in some zone is no time in UTC.
    "validators": [MinValueValidator(date(2000, 1, 1)), MaxValueValidator(date(2999, 12, 31))],
}


class ActivityFilter(django_filters.FilterSet):
    actor = django_filters.CharFilter(method="by_actor", label="Who (e-mail)")
    key = django_filters.UUIDFilter(field_name="key_id", label="Key id")
    type = django_filters.ChoiceFilter(
        label="What",
        choices=[(event.value, event.label) for event in Event],
        empty_label="Anything",
        widget=PlainSelect,
    )
    outcome = django_filters.ChoiceFilter(
        label="Outcome",
        choices=AuditEvent.Outcome.choices,
        empty_label="Any outcome",
        widget=PlainSelect,
    )
    since = django_filters.DateFilter(method="unchanged", label="From", **_DAY)
    until = django_filters.DateFilter(method="unchanged", label="To", **_DAY)
    after = django_filters.NumberFilter(method="unchanged", min_value=0)
    before = django_filters.NumberFilter(method="unchanged", min_value=0)

    class Meta:
        model = AuditEvent
        fields = ()

    def by_actor(self, events: QuerySet[AuditEvent], _name: str, email: str) -> QuerySet[AuditEvent]:
        return events.filter(actor_email=email.lower())

    def unchanged(self, events: QuerySet[AuditEvent], _name: str, _value: Any) -> QuerySet[AuditEvent]:
        return events

    def order(self) -> Order:
        """Newest first, between the first moment of one day and the last of another."""
        since, until = self.form.cleaned_data["since"], self.form.cleaned_data["until"]
        low = _start_of(since) - _INSTANT if since else None
        high = _start_of(until + timedelta(days=1)) - _INSTANT if until else None
        return replace(NEWEST_FIRST, window=Window(low, high))

    def in_words(self) -> str:
        chosen = self.form.cleaned_data
        names = ("actor", "key", "type", "outcome", "since", "until")
        return ", ".join(f"{name}={chosen[name]}" for name in names if chosen[name]) or "everything"

    def reasons(self) -> str:
        return " ".join(str(reason) for reasons in self.form.errors.values() for reason in reasons)


def _start_of(day: Any) -> datetime:
    return datetime.combine(day, time.min, tzinfo=timezone.get_current_timezone())


class EventRow(NamedTuple):
    id: int
    at: str
    at_exact: str
    label: str
    outcome: str
    who: str
    who_email: str
    who_role: str
    key_id: UUID | None
    key_name: str
    ip: str
    browser: str
    reason: str
    details: list[tuple[str, str]]
    uid: UUID


@dataclass(frozen=True)
class Activity:
    page: Page[EventRow]
    filter: ActivityFilter


def activity(actor: Actor, params: QueryDict) -> Activity:
    """The page of the record that the query string asks for. Raises ``NotAllowed``."""
    authorize(actor, Action.SEE_ACTIVITY)
    chosen = ActivityFilter(params, queryset=AuditEvent.objects.all())
    if not chosen.is_valid():
        return Activity(Page([], None, None), chosen)
    found = page(
        chosen.qs.values_list(*COLUMNS),
        chosen.order(),
        AuditEvent.objects.all(),
        after=chosen.form.cleaned_data["after"],
        before=chosen.form.cleaned_data["before"],
    )
    return Activity(Page([row_of(values) for values in found.rows], found.after, found.before), chosen)


def newest_activity(actor: Actor, count: int) -> list[EventRow]:
    """Raises ``NotAllowed``."""
    authorize(actor, Action.SEE_ACTIVITY)
    rows = order_by(AuditEvent.objects.values_list(*COLUMNS), NEWEST_FIRST)[:count]
    return [row_of(values) for values in rows]


def story_of(key: ApiKey, count: int = 100) -> list[EventRow]:
    """The newest ``count`` events of a key that ``key_for`` has handed out."""
    events = AuditEvent.objects.filter(key_id=key.id).values_list(*COLUMNS)
    return [row_of(values) for values in order_by(events, NEWEST_FIRST)[:count]]


def row_of(values: tuple[Any, ...]) -> EventRow:
    *columns, details, personal = values
    id_, at, type_, outcome, who, email, role, key_id, key_name, ip, browser, reason, uid = columns
    return EventRow(
        id=id_,
        at=f"{wording.day(at)}, {timezone.localtime(at):%H:%M}",
        at_exact=wording.exact(at),
        label=Event(type_).label,
        outcome=outcome,
        who=who or ERASED,
        who_email=email,
        who_role=role,
        key_id=key_id,
        key_name=key_name,
        ip=ip,
        browser=browser,
        reason=reason,
        details=[
            (name.replace("_", " "), _detail(name, value))
            for name, value in readable(details, personal).items()
        ],
        uid=uid,
    )


_SCOPE_DETAILS = {"scopes", "before", "after"}


def _detail(name: str, value: Any) -> str:
    if name in _SCOPE_DETAILS and isinstance(value, list):
        return ", ".join(label(scope) for scope in value)
    if name == "expires_at":
        return wording.exact(datetime.fromisoformat(value))
    if name == "rules":
        return f"of {len(value)} actions"
    if isinstance(value, dict):
        return ", ".join(f"{part}: {what}" for part, what in value.items())
    return str(value)


EXPORT_HEADER = [
    "Event id", "At (UTC)", "Event", "Outcome", "Who", "E-mail", "Role", "Key id", "Key name", "IP",
    "Browser", "Reason", "Details",
]  # fmt: skip


def activity_export(actor: Actor, params: QueryDict) -> Export:
    """Exactly the filtered events, from one statement. Raises ``NotAllowed`` and ``Invalid``."""
    authorize(actor, Action.EXPORT_ACTIVITY)
    chosen = ActivityFilter(params, queryset=AuditEvent.objects.all())
    if not chosen.is_valid():
        raise Invalid(chosen.reasons())
    events = order_by(chosen.qs, chosen.order())
    rows = events.values_list(*COLUMNS, CountOf(events)).iterator(chunk_size=1000)
    first = next(rows, None)
    return Export(
        count=first[-1] if first else 0,
        as_of=datetime.now(tz=UTC),
        filter=chosen.in_words(),
        rows=_export_rows(first, rows),
    )


def _export_rows(first: Any, others: Iterator[Any]) -> Iterator[list[str]]:
    if first is None:
        return
    yield _export_row(first)
    for values in others:
        yield _export_row(values)


def _export_row(values: tuple[Any, ...]) -> list[str]:
    *columns, details, personal, _count = values
    id_, at, type_, outcome, who, email, role, key_id, key_name, ip, browser, reason, _uid = columns
    said = "; ".join(f"{name}: {_detail(name, value)}" for name, value in readable(details, personal).items())
    return [
        str(id_), wording.utc(at), Event(type_).label, outcome, who or ERASED, email, role, str(key_id or ""),
        key_name, ip, browser, reason, said,
    ]  # fmt: skip
