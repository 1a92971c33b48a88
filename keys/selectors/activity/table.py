"""Return a page of the activity, or its export, as rows of strings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict

from keys.audit.guard import authorize
from keys.models import ApiKey, AuditEvent, User
from keys.rules import formatting
from keys.rules.errors import Invalid
from keys.rules.events import Event
from keys.rules.permissions import Action, Actor
from keys.selectors.activity.acts import Around, Shown, acts, unfolded
from keys.selectors.activity.around import around, steps_of
from keys.selectors.activity.changes import changes_in_words
from keys.selectors.activity.filters import NEWEST_FIRST, ActivityFilter, Events
from keys.selectors.activity.names import with_names
from keys.selectors.activity.row import COLUMNS, EventRow, row_of, without_changes
from keys.selectors.activity.words import details_in_words
from keys.selectors.counts import bounded_count
from keys.selectors.inventory.exports import Export, export
from keys.selectors.inventory.keyset import Page, order_by, page
from keys.tlog.leaf import ERASED, readable

TOTAL_LIMIT = 10_000
STEPS = 4
"""Events to read for each act, if some of them are its steps."""


@dataclass(frozen=True)
class Activity:
    """``key`` or ``person`` is set if the filter selects only the events of that key or person.

    ``acts`` are the page's events with those of one act in one line. ``total`` is the number of events on all
    pages, in words.
    """

    page: Page[EventRow]
    filter: ActivityFilter
    acts: list[Shown] = field(default_factory=list)
    total: str = ""
    key: ApiKey | None = None
    person: User | None = None

    @property
    def folds(self) -> bool:
        """Return whether the page has fewer lines than events."""
        return len(self.acts) < len(self.page.rows)


def activity_page(actor: Actor, params: QueryDict) -> Activity:
    """Return the page of the activity for the query string ``params``. Raise ``NotAllowed``."""
    authorize(actor, Action.SEE_ACTIVITY)
    wanted = ActivityFilter(params)
    if not wanted.is_valid():
        return Activity(Page([], None, None), wanted)
    found = page(
        wanted.events().values_list(*COLUMNS),
        wanted.order(),
        AuditEvent.objects.all(),
        after=wanted.chosen["after"],
        before=wanted.chosen["before"],
        among=wanted.alternatives(),
    )
    rows = Page(with_names([row_of(values) for values in found.rows]), found.after, found.before)
    return Activity(
        rows, wanted, _acts(wanted, rows, found.rows), total=_total(wanted, rows), **_subject(wanted)
    )


def _acts(wanted: ActivityFilter, rows: Page[EventRow], values: list[tuple[Any, ...]]) -> list[Shown]:
    """Return the lines of the page: its acts, or each event if a filter asks for single events."""
    if wanted.finds_single_events():
        return unfolded(rows.rows)
    steps = steps_of(values, COLUMNS)
    return acts(rows.rows, steps, around(wanted, rows, steps))


def _total(wanted: ActivityFilter, rows: Page[EventRow]) -> str:
    """Return the number of events on all pages in words, or a lower bound if an index cannot count them."""
    count = len(rows.rows)
    if rows.after is None and rows.before is None:
        return _events(count)
    if not wanted.is_counted_by_an_index():
        return f"more than {_events(count)}"
    count = bounded_count(order_by(wanted.events(), wanted.order()).order_by(), TOTAL_LIMIT)
    return _events(count) if count <= TOTAL_LIMIT else f"more than {_events(TOTAL_LIMIT)}"


def _events(count: int) -> str:
    return f"{count:,} event{'' if count == 1 else 's'}"


def _subject(wanted: ActivityFilter) -> dict[str, Any]:
    in_use = wanted.in_use()
    if in_use.keys() == {"key"}:
        return {"key": ApiKey.objects.filter(pk=wanted.chosen["key"]).first()}
    if in_use.keys() == {"actor"}:
        return {"person": User.objects.filter(email__in=wanted.addresses).first()}
    return {}


def newest_activity(actor: Actor, count: int) -> list[Shown]:
    """Return the newest ``count`` acts. Raise ``NotAllowed``."""
    authorize(actor, Action.SEE_ACTIVITY)
    return newest(AuditEvent.objects.all(), count * STEPS)[:count]


def newest(events: Events, count: int) -> list[Shown]:
    """Return the acts of the newest ``count`` events. The caller has checked that the actor may see them."""
    values = list(order_by(events.values_list(*COLUMNS), NEWEST_FIRST)[:count])
    rows = with_names([row_of(each) for each in values])
    return acts(rows, steps_of(values, COLUMNS), Around())


def story_of(key: ApiKey, count: int = 100) -> list[Shown]:
    """Return the acts of the newest ``count`` events of a key from ``key_for``."""
    return newest(AuditEvent.objects.filter(key_id=key.id), count)


EXPORT_HEADER = [
    "Event id", "At (UTC)", "Event", "Outcome", "Who", "Email", "Role", "Key id", "Key name", "IP",
    "Browser", "Reason", "Details",
]  # fmt: skip


def activity_export(actor: Actor, params: QueryDict) -> Export:
    """Return all filtered events. Raise ``NotAllowed``, or ``Invalid`` if the filter is not valid."""
    authorize(actor, Action.EXPORT_ACTIVITY)
    wanted = ActivityFilter(params)
    if not wanted.is_valid():
        raise Invalid(wanted.reasons())
    events = order_by(wanted.events(), wanted.order())
    return export(events, COLUMNS, _export_row, filter=wanted.in_words())


def _export_row(values: tuple[Any, ...]) -> list[str]:
    *columns, details, personal = values
    id_, at, type_, outcome, _, who, email, role, key_id, key_name, ip, browser, reason, _uid = columns
    shown = readable(details, personal)
    changes = changes_in_words(shown)
    words = [*details_in_words(type_, without_changes(shown, changes)), *changes]
    detail_text = "; ".join(f"{name}: {value}" for name, value in words)
    return [
        str(id_), formatting.utc(at), Event(type_).label_if(outcome), outcome, who or ERASED, email, role,
        str(key_id or ""), key_name, ip, browser, reason, detail_text,
    ]  # fmt: skip
