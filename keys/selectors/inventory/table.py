"""Return a page of the inventory, or its export, as rows of strings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, TypedDict

from django.conf import settings
from django.http import QueryDict
from django.utils import timezone
from django.utils.html import format_html

from keys.audit.guard import authorize
from keys.models import ApiKey, LeaverPlan, Selection
from keys.rules import formatting
from keys.rules.errors import Invalid
from keys.rules.lifecycle import CAVEAT, Phase, State, Status, status
from keys.rules.permissions import Action, Actor
from keys.rules.reach import Items, amounts, lists_opened
from keys.rules.readings import counts as reading_counts
from keys.rules.visible import named
from keys.selectors.inventory.columns import ALL, DEFAULT, Shown, shown
from keys.selectors.inventory.conditions import Condition, of_owner
from keys.selectors.inventory.exports import Export, export
from keys.selectors.inventory.filters import InventoryFilter
from keys.selectors.inventory.keyset import Page, order_by, page
from keys.selectors.inventory.missing import missing_values
from keys.selectors.inventory.totals import Total

COLUMNS = (
    "id",
    "name",
    "owner_name",
    "owner_email",
    "scopes",
    "created_at",
    "expires_at",
    "last_used_at",
    "phase",
    "state",
    "purpose",
    "stored_at",
    "stored_in",
    "origin",
    "missing_since",
    "owner_left_at",
    "seen_at",
    "seen_by__name",
    "use_read_at",
    "use_read_by__name",
    "expiry_read_at",
    "expiry_read_by__name",
    "confirmed_at",
    "accountable_name",
    "accountable_email",
    "orphan",
    "created_known",
    "cerby_id",
)
EXPORT_COLUMNS = (
    *COLUMNS[:-1],
    *("backup__email", "team", "system", "kind", "environment", "review_on", "tags", "note"),
    *("owner__reach__secrets", "owner__reach__accounts", "owner__reach__collections"),
    *("owner__reach__counted_at", "reach_grew_at", "leaver_plan__decision", "leaver_plan__to__email"),
    *("leaver_plan__until", "leaver_plan__open_since", "cerby_id"),
)


class KeyRow(TypedDict):
    """One row of the table as strings, because formatting them here keeps the page fast.

    ``created``, ``expires`` and ``last_used`` are ``<time>`` elements, or words if the time is not known.

    It is a dictionary because templates look names up in dictionaries first.
    """

    id: str
    name: str
    owner_name: str
    owner_email: str
    accountable_name: str
    accountable_email: str
    scopes: str
    all_scopes: str
    created: str
    expires: str
    last_used: str
    status: str
    status_label: str
    caveat: str
    seen: str
    last_used_note: str
    expires_note: str
    expires_today: bool
    about: list[tuple[str, str, str]]
    facts: list[tuple[str, str, str]]


@dataclass(frozen=True)
class Inventory:
    """``own_only``: the actor may see only their own keys. ``total``: the number of keys on all pages.

    ``missing`` says which values of the filter do not exist.
    """

    page: Page[KeyRow]
    filter: InventoryFilter
    own_only: bool
    shown: Shown
    total: Total | None = None
    missing: Sequence[str] = ()

    @property
    def is_one_page(self) -> bool:
        """Return whether the page has all keys that match."""
        return self.page.after is None and self.page.before is None

    @property
    def has_run_empty(self) -> bool:
        """Return whether this is a later page whose keys do not match any more."""
        is_later = self.filter.is_valid() and (self.filter.chosen["after"] or self.filter.chosen["before"])
        return bool(is_later) and not self.page.rows

    @property
    def last_used_label(self) -> str:
        return next(column.label for column in ALL if column.name == "last-used")

    @property
    def columns_given(self) -> str:
        """Return the columns as in the query string, if a person chose others than the default ones."""
        chosen = self.filter.chosen["columns"] if self.filter.is_valid() else ()
        return ",".join(chosen) if chosen != DEFAULT else ""

    @property
    def sorted_by(self) -> str:
        """Return the column by which the page is sorted, if a person chose it and it is not shown."""
        sort = self.filter.chosen["sort"].lstrip("-")
        hidden = [column for column in ALL if column not in self.shown.columns]
        return next((column.label.lower() for column in hidden if sort and column.sort == sort), "")


def visible_to(actor: Actor) -> list[Condition]:
    """Return the conditions that limit the inventory to the keys that ``actor`` may see.

    Raise ``NotAllowed``, and record the attempt, if the actor may not see the inventory and owns no key.
    """
    if not actor.may(Action.SEE_INVENTORY) and ApiKey.objects.filter(owner_id=actor.user_id).exists():
        return [of_owner(actor.user_id)]
    authorize(actor, Action.SEE_INVENTORY)
    return []


def inventory_page(actor: Actor, params: QueryDict) -> Inventory:
    """Return the page of the inventory for the query string ``params``. Raise ``NotAllowed``.

    If the filter is not valid, the page is empty and the form has the errors.
    """
    visible = visible_to(actor)
    wanted = InventoryFilter(params)
    own_only = bool(visible)
    if not wanted.is_valid():
        return Inventory(Page([], None, None), wanted, own_only, shown(own_only=own_only))
    columns = shown(wanted.chosen["columns"], own_only=own_only)
    keys, order, among = wanted.keys_of_a_page(*visible)
    found = page(
        keys.values_list(*COLUMNS, *columns.fields),
        order,
        ApiKey.objects.all(),
        after=wanted.chosen["after"],
        before=wanted.chosen["before"],
        among=among,
    )
    now = timezone.now()
    today = formatting.day(now)
    rows = [_row(values, now, today, columns) for values in found.rows]
    total = wanted.total(*visible)
    listed = Page(rows, found.after, found.before)
    missing = missing_values(wanted.chosen, visible)
    return Inventory(listed, wanted, own_only, columns, total, missing)


def _row(values: tuple[Any, ...], now: datetime, today: str, columns: Shown) -> KeyRow:
    about, facts = columns.cells(values[len(COLUMNS) :])
    values = values[: len(COLUMNS)]
    (id_, name, owner_name, owner_email, scopes, created, expires, used, phase, state, *others) = values
    current = status(phase, expires, now)
    created_on = formatting.day_exact_iso(created, is_known=others[16])
    by_people = _by_people(others)
    expires_on = formatting.day_exact_iso(expires)
    last_used = formatting.last_used(used, now, is_known=_shows_use(others) or bool(by_people.last_used))
    used_on = (formatting.exact(used), used.isoformat(timespec="seconds")) if used else ("", "")
    return KeyRow(
        id=str(id_),
        name=named(name),
        owner_name=owner_name,
        owner_email=owner_email,
        accountable_name=others[13],
        accountable_email=others[14],
        scopes=formatting.scope_summary(scopes),
        all_scopes=formatting.scope_list(scopes),
        created=_time(*created_on),
        expires=_time(*expires_on),
        last_used=_time(last_used, *used_on),
        status=current.value,
        status_label=current.label,
        caveat=_caveat(current, state, others),
        seen=by_people.seen,
        last_used_note=by_people.last_used,
        expires_note=by_people.expires,
        expires_today=current is Status.ACTIVE and expires_on[0] == today,
        about=about,
        facts=facts,
    )


def _time(words: str, exact: str, iso: str) -> str:
    """Return a ``<time>`` element, because looking up its parts in a template is slower."""
    return format_html('<time datetime="{}" title="{}">{}</time>', iso, exact, words) if iso else words


class _ByPeople(NamedTuple):
    """What people said about a key, as notes beside its values; empty if Cerby has listed the key since."""

    seen: str
    last_used: str
    expires: str


def _by_people(others: Sequence[Any]) -> _ByPeople:
    seen_at, seen_by, use_at, use_by, expiry_at, expiry_by, confirmed_at = others[6:13]
    return _ByPeople(
        seen=formatting.confirmed(seen_by, seen_at) if seen_at else "",
        last_used=formatting.reading(use_by, use_at) if reading_counts(use_at, confirmed_at) else "",
        expires=formatting.reading(expiry_by, expiry_at) if reading_counts(expiry_at, confirmed_at) else "",
    )


def _shows_use(others: Sequence[Any]) -> bool:
    """Return whether Cerby lists the key with its last use, so that no use means never."""
    return others[-1] is not None and settings.CERBY_ISSUE_MODE != "assisted"


def _caveat(current: Status, state: str, others: Sequence[Any]) -> str:
    """Return the note beside the status: about the state, and about active keys that need attention.

    ``others`` are the values of ``COLUMNS`` from ``purpose`` on.
    """
    purpose, _, _, origin, missing_since, owner_left_at, *_ = others
    notes = [CAVEAT.get(State(state), "")]
    if current is Status.ACTIVE:
        notes += [
            "missing in Cerby" if missing_since else "",
            "not adopted" if origin == ApiKey.Origin.DISCOVERED and not purpose else "",
            "owner left" if owner_left_at else "",
            "orphan" if others[15] else "",
        ]
    return ", ".join(filter(None, notes))


EXPORT_HEADER = [
    "Key id", "Name", "Owner", "Owner email", "Scopes", "Created on (UTC)", "Expires (UTC)",
    "Last used (UTC)", "Status", "Note", "Purpose", "Stored at (UTC)", "Stored in", "Origin",
    "Seen in Cerby's web app (UTC)", "Seen by", "Last used: source", "Expires: source",
    "Accountable person", "Accountable person's email", "Backup's email", "Team", "System", "Kind",
    "Environment", "Review date", "Tags", "Note by people", "Reach", "Reach counted (UTC)",
    "Reach grew (UTC)", "If the owner leaves", "Next owner's email", "Keep until", "Undecided since (UTC)",
]  # fmt: skip


def inventory_export(actor: Actor, params: QueryDict) -> Export:
    """Return all filtered keys. Raise ``NotAllowed``, or ``Invalid`` if the filter is not valid."""
    visible = visible_to(actor)
    if not visible:
        authorize(actor, Action.EXPORT_INVENTORY)
    wanted = InventoryFilter(params)
    if not wanted.is_valid():
        raise Invalid(wanted.reasons())
    now = timezone.now()
    keys = order_by(*wanted.keys(*visible))
    return export(keys, EXPORT_COLUMNS, lambda values: _export_row(values, now), filter=wanted.in_words())


def selection_export(actor: Actor, selection: Selection) -> Export:
    """Return the keys of a frozen list, newest first, without those that the actor may no longer see."""
    now, selected = timezone.now(), ApiKey.objects.filter(pk__in=selection.items.values("key"))
    keys = selected.filter(*(condition.checked for condition in visible_to(actor)))
    rows = keys.order_by("-created_at", "-id")
    words = f"{selection.count} selected keys" if selection.count > 1 else "1 selected key"
    return export(rows, EXPORT_COLUMNS, lambda values: _export_row(values, now), filter=words)


def _export_row(values: tuple[Any, ...], now: datetime) -> list[str]:
    (id_, name, owner, email, scopes, created, expires, used, phase, state, *others) = values
    purpose, stored, where, origin, *_ = others
    current, by_people = status(phase, expires, now), _by_people(others)
    used_utc = "never" if by_people.last_used and not used else _used_utc(used, others)
    return [
        str(id_), name, owner, email, formatting.scope_list(scopes),
        formatting.utc_if_known(created, is_known=others[16]), formatting.utc_or_not_known(expires),
        used_utc, current.label, _caveat(current, state, others),
        purpose, formatting.utc(stored), where, ApiKey.Origin(origin).label,
        formatting.utc(others[6]), others[7] or "", by_people.last_used, by_people.expires,
        *_ownership(others[13:25]), *_reach(scopes, phase, others[25:30]),
        *_plan(others[30:34]),
    ]  # fmt: skip


def _ownership(others: Sequence[Any]) -> list[str]:
    name, email, *_, backup, team, system, kind, environment, review_on, tags, note = others
    review = review_on.isoformat() if review_on else ""
    return [name, email, backup or "", team, system, kind, environment, review, ", ".join(tags), note]


def _reach(scopes: Sequence[str], phase: int, others: Sequence[Any]) -> list[str]:
    """Return the reach of a live key, when it was counted, and when the portal found that it grew."""
    secrets, accounts, collections, counted_at, grew_at = others
    counts = {Items.SECRETS: secrets, Items.ACCOUNTS: accounts, Items.COLLECTIONS: collections}
    lists = lists_opened(scopes) if phase == Phase.LIVE else []
    return [amounts(lists, counts), formatting.utc(counted_at) if lists else "", formatting.utc(grew_at)]


def _plan(others: Sequence[Any]) -> list[str]:
    decision, to, until, open_since = others
    words = LeaverPlan.Decision(decision).label if decision else ""
    return [words, to or "", until.isoformat() if until else "", formatting.utc(open_since)]


def _used_utc(used: datetime | None, others: Sequence[Any]) -> str:
    """Return the last use, which is empty if there was none, and says so if none is known."""
    return formatting.utc(used) if used or _shows_use(others) else formatting.NOT_KNOWN.lower()
