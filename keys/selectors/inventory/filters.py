"""Parse the inventory's query string: filters, sort order, and the row to continue from."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.db.models import F
from django.http import QueryDict
from django.utils import timezone

from keys.models import LISTED, ApiKey, KeyScope
from keys.rules import key_text
from keys.rules import scopes as catalogue
from keys.rules.folded_text import fold
from keys.rules.leaving import RED_AFTER
from keys.rules.lifecycle import Phase
from keys.rules.permissions import Role
from keys.selectors.compare.completeness import unseen_since
from keys.selectors.inventory import conditions, search
from keys.selectors.inventory.columns import DEFAULT, ColumnsField
from keys.selectors.inventory.conditions import Condition, Keys
from keys.selectors.inventory.keyset import Order, Window
from keys.selectors.inventory.periods import SINCE, days_in, offer_days, past, window_of
from keys.selectors.inventory.totals import Total, total
from keys.selectors.inventory.widgets import PlainChoices, PlainInput, PlainSelect, ViewField
from keys.validation.ownership import SYSTEM_LENGTH, TAG_LENGTH, TEAM_LENGTH

STATUSES = [
    ("active", "Active"),
    ("pending", "Pending"),
    ("expired", "Expired"),
    ("live", "Active or expired"),
    ("removed", "Removed"),
    ("failed", "Failed"),
    ("withdrawn", "Withdrawn"),
]
UNLISTED = {"failed", "withdrawn"}
"""The statuses of rows that are no keys: they are listed only with this filter."""
NEEDS = [
    ("unconfirmed", "Storage unconfirmed"),
    ("not-adopted", "Discovered, not adopted"),
    ("missing", "Missing in Cerby"),
    ("owner-left", "Owner disabled or left"),
    ("leaver-undecided", "Owner left, no plan"),
    ("leaver-late", "Owner left, no plan for a week"),
    ("rotation-asked", "Rotation asked for"),
    ("rotation-late", "Rotation asked for, day has passed"),
    ("not-certified", "Reviewed, but not certified"),
    ("orphan", "Nobody answers for it"),
    ("review-due", "Review date has come"),
    ("reach-grew", "Reach has grown"),
    ("outside-policy", "Outside the policy"),
    ("agent-outside", "Agent without sponsor, vault or short life"),
    ("removal-stuck", "Removal stuck"),
    ("waiting", "Waiting to be resolved or deleted"),
    ("not-seen", "Not confirmed by hand for long"),
    ("unused-90", "Unused for 90 days"),
    ("unused-45", "Unused for 45 days"),
    ("never-used", "Never used"),
]
"""Why somebody should look at a key. Only "unconfirmed", "removal-stuck" and "waiting" ask all keys."""
OF_LAST_USE = {"unused-90", "unused-45", "never-used"}
"""Cerby publishes no last use, so assisted mode cannot filter by it."""

OF_OWNERSHIP = ("accountable", "backup", "team", "system", "tag", "kind", "environment")
"""The filters by who answers for a key and what it is for."""
MORE = (*OF_OWNERSHIP, "made", "removed", "role")
"""The filters that the page shows under "More filters"."""
FILTERS = ("q", "status", "scope", "owner", "expires", "needs", "origin", *MORE, "pepper")
MOST_OWNERS, LONGEST_EMAIL = 20, 254
EXPIRY_WINDOWS = [("1", "in 24 hours"), ("7", "in 7 days"), ("30", "in 30 days"), ("90", "in 90 days")]
EXPIRES = [("", "Any time"), *EXPIRY_WINDOWS]

SORTS: dict[str, tuple[Any, ...]] = {
    "name": (F("name_order"), F("id")),
    "owner": (F("owner_order"), F("id")),
    "scopes": (F("scope_count"), F("id")),
    "created": (F("created_at"), F("id")),
    "expires": (F("expires_at"), F("id")),
    "last-used": (F("last_used_order"), F("id")),
    "status": (F("phase"), F("expires_at"), F("id")),
    "accountable": (F("accountable_order"), F("id")),
    "review": (F("review_order"), F("id")),
}
SORT_CHOICES = [(f"{sign}{name}", name) for name in SORTS for sign in ("", "-")]

_WITH_STATUS: dict[str, Callable[[datetime], Condition]] = {
    "active": lambda now: conditions.in_phase(Phase.LIVE, Window(low=now)),
    "pending": lambda _: conditions.in_phase(Phase.PENDING),
    "expired": lambda now: conditions.in_phase(Phase.LIVE, Window(high=now)),
    "live": lambda _: conditions.in_phase(Phase.LIVE),
    "removed": lambda _: conditions.in_phase(Phase.REMOVED),
    "failed": lambda _: conditions.in_phase(Phase.FAILED),
    "withdrawn": lambda _: conditions.in_phase(Phase.WITHDRAWN),
}
_NEEDING: dict[str, Callable[[datetime], Condition]] = {
    "unconfirmed": lambda _: conditions.marked("unconfirmed"),
    "not-adopted": lambda now: conditions.marked_active("unadopted", now),
    "missing": lambda now: conditions.marked_active("missing_since", now),
    "owner-left": lambda now: conditions.marked_active("owner_left_at", now),
    "leaver-undecided": lambda now: conditions.with_open_plan(now, timedelta()),
    "leaver-late": lambda now: conditions.with_open_plan(now, RED_AFTER),
    "rotation-asked": conditions.asked_to_rotate,
    "rotation-late": lambda now: conditions.asked_to_rotate(now, timezone.localdate(now)),
    "not-certified": conditions.not_certified,
    "orphan": lambda now: conditions.marked_active("orphan", now),
    "review-due": lambda now: conditions.review_due(timezone.localdate(now), now),
    "reach-grew": lambda now: conditions.marked_active("reach_grew_at", now),
    "outside-policy": conditions.outside_policy,
    "agent-outside": lambda now: conditions.marked_active("agent_outside", now),
    "removal-stuck": lambda _: conditions.marked("removal_stuck"),
    "waiting": conditions.waiting,
    "not-seen": lambda now: conditions.not_seen(unseen_since(now), now),
    "unused-90": lambda now: conditions.unused_since(now - timedelta(days=90), now),
    "unused-45": lambda now: conditions.unused_since(now - timedelta(days=45), now),
    "never-used": conditions.never_used,
}
_SORT_OF_NEED = {
    **dict.fromkeys(("not-adopted", "missing", "owner-left", "orphan", "not-seen"), "expires"),
    **dict.fromkeys(("reach-grew", "agent-outside"), "expires"),
    **dict.fromkeys(("unused-90", "unused-45"), "-last-used"),
    "review-due": "review",
}


def default_sort(status: str = "", expires: str = "", needs: str = "") -> str:
    """Return the sort that an index serves for these filters.

    It is the soonest expiry first if ``expires`` is set, the latest expiry first for expired keys, the latest
    use first for unused keys, the earliest review date first for due reviews, and the newest key first
    otherwise.
    """
    if expires:
        return "expires"
    return _SORT_OF_NEED.get(needs) or ("-expires" if status == "expired" else "-created")


def with_status(status: str, now: datetime) -> Condition:
    """Return the condition for one of ``STATUSES``."""
    return _WITH_STATUS[status](now)


def offered_needs() -> list[tuple[str, str]]:
    """Return those of ``NEEDS`` that the portal can know in its mode."""
    unknown = OF_LAST_USE if settings.CERBY_ISSUE_MODE == "assisted" else set()
    unknown = unknown if settings.PORTAL_COMPARE_EVERY_DAYS else unknown | {"not-seen"}
    return [(need, label) for need, label in NEEDS if need not in unknown]


def needing(need: str, now: datetime) -> Condition:
    """Return the condition for one of ``NEEDS``."""
    return _NEEDING[need](now)


def expiring(when: str, now: datetime) -> Condition:
    """Return the condition for active keys that expire within a number of days or on certain days.

    ``when`` is a number of days from ``now``, such as "30", or a day or range in UTC (see ``days_in``).
    """
    days = days_in(when)
    if days is None:
        return conditions.in_phase(Phase.LIVE, Window(now, now + timedelta(days=int(when))))
    window = window_of(days)
    return conditions.in_phase(Phase.LIVE, Window(max(now, window.low), window.high))


def _text(label: str, length: int) -> forms.CharField:
    return forms.CharField(required=False, label=label, max_length=length, widget=PlainInput)


def _choice(label: str, every: str, choices: list[tuple[str, str]]) -> forms.ChoiceField:
    return forms.ChoiceField(required=False, label=label, choices=[("", every), *choices], widget=PlainSelect)


def _without_empty(params: QueryDict) -> QueryDict:
    """Return a copy without the empty value that a list of one choice has for "any"."""
    given = params.copy()
    for name in ("scope", "needs"):
        given.setlist(name, [value for value in given.getlist(name) if value])
    return given


class InventoryForm(forms.Form):
    q = forms.CharField(
        required=False,
        label="Search",
        max_length=200,
        widget=PlainInput(attrs={"placeholder": "Name, owner, purpose, scope, team, tag or id"}),
    )
    status = forms.ChoiceField(
        required=False, label="Status", choices=[("", "All keys"), *STATUSES], widget=PlainSelect
    )
    scope = forms.MultipleChoiceField(required=False, label="Scope", widget=PlainChoices("Any scope"))
    owner = forms.CharField(
        required=False,
        label="Owners' emails",
        max_length=1000,
        widget=PlainInput(attrs={"placeholder": "One or more"}),
    )
    expires = forms.ChoiceField(required=False, label="Expires", choices=EXPIRES, widget=PlainSelect)
    needs = forms.MultipleChoiceField(
        required=False, label="Needs attention", widget=PlainChoices("All keys")
    )
    origin = forms.ChoiceField(
        required=False,
        label="Origin",
        choices=[("", "Any origin"), *ApiKey.Origin.choices],
        widget=PlainSelect,
    )
    accountable = _text("Accountable's email", LONGEST_EMAIL)
    backup = _text("Backup's email", LONGEST_EMAIL)
    team = _text("Team", TEAM_LENGTH)
    system = _text("System", SYSTEM_LENGTH)
    tag = _text("Tag", TAG_LENGTH)
    kind = _choice("Kind", "Any kind", ApiKey.Kind.choices)
    environment = _choice("Environment", "Any environment", ApiKey.Environment.choices)
    made = _choice("Made", "Any time", SINCE[1:])
    removed = _choice("Removed", "Any time", SINCE[1:])
    role = _choice("Owner's role", "Any role", [(str(one.value), one.label) for one in sorted(Role)[::-1]])
    pepper = _text("Pepper", 20)
    sort = forms.ChoiceField(required=False, label="Sorted by", choices=[("", ""), *SORT_CHOICES])
    columns = ColumnsField(required=False, label="Columns")
    view = ViewField()
    after = forms.UUIDField(required=False)
    before = forms.UUIDField(required=False)

    def __init__(self, params: QueryDict) -> None:
        super().__init__(_without_empty(params))
        scope = self.fields["scope"]
        assert isinstance(scope, forms.MultipleChoiceField)
        offered = catalogue.offered(settings.PORTAL_EXTRA_SCOPES)
        any_write = (conditions.ANY_WRITE, "Any write scope")
        scope.choices = [any_write, *((scope.id, scope.label) for scope in offered)]
        asked = {each for each in params.getlist("scope") if each and each.isprintable()}  # a NUL is no text
        if others := asked - {scope.id for scope in offered} - {conditions.ANY_WRITE}:
            few = sorted(others)[:MOST_OWNERS]
            held = [each for each in few if KeyScope.objects.filter(scope=each).exists()]
            scope.choices += [(each, catalogue.label(each)) for each in held]  # the dashboard links to them
        needs = self.fields["needs"]
        assert isinstance(needs, forms.MultipleChoiceField)
        needs.choices = offered_needs()
        if OF_LAST_USE.intersection(params.getlist("needs")):
            needs.error_messages["invalid_choice"] = (
                "Cerby does not publish when a key was last used, so the portal cannot filter by it."
            )
        for name in ("expires", "made", "removed"):  # the dashboard links to days and ranges
            offer_days(self.fields[name], params.get(name, ""))

    def clean_owner(self) -> list[str]:
        emails = re.split(r"[\s,;]+", str(self.cleaned_data["owner"]))
        found = list(dict.fromkeys(email.lower() for email in emails if email))
        if len(found) > MOST_OWNERS or any(len(email) > LONGEST_EMAIL for email in found):
            raise forms.ValidationError(f"Enter the emails of up to {MOST_OWNERS} people.")
        return found

    def clean_q(self) -> str:
        text = str(self.cleaned_data["q"])
        if text and not search.is_long_enough(text):
            raise forms.ValidationError(f"Enter a word of at least {search.SHORTEST} characters.")
        return text


def _of_person(column: str) -> Callable[[str, datetime], Condition]:
    return lambda email, _: conditions.equal(column, conditions.user_id_of(email))


def _folded(column: str) -> Callable[[str, datetime], Condition]:
    return lambda text, _: conditions.equal(column, fold(text))


def _equal(column: str) -> Callable[[str, datetime], Condition]:
    return lambda value, _: conditions.equal(column, value)


_CONDITIONS: dict[str, Callable[[str, datetime], Condition]] = {
    "q": lambda text, _: search.containing(text),
    "scope": lambda scope, _: conditions.with_scope(scope),
    "tag": lambda tag, _: conditions.with_tag(conditions.stored_tag(tag)),
    "owner": _of_person("owner_id"),
    "accountable": _of_person("accountable_id"),
    "backup": _of_person("backup_id"),
    "team": _folded("team_order"),
    "system": _folded("system_order"),
    "expires": expiring,
    "needs": needing,
    "removed": lambda when, now: conditions.removed(past(when, now)),
    "role": lambda role, _: conditions.of_role(int(role)),
    "made": lambda when, now: conditions.made(past(when, now)),
    "origin": _equal("origin"),
    "kind": _equal("kind"),
    "environment": _equal("environment"),
    "pepper": lambda pepper, _: conditions.with_pepper(pepper),
    "status": with_status,
}
"""Each filter's condition, those that usually match the fewest keys first."""


def _one_or_several(
    condition: Callable[[str, datetime], Condition], chosen: str | list[str], now: datetime
) -> Condition:
    if isinstance(chosen, str):
        return condition(chosen, now)
    return conditions.any_of([condition(each, now) for each in chosen])


class InventoryFilter:
    """The validated query string. ``chosen`` maps every field to its value, which is empty if not set."""

    def __init__(self, params: QueryDict) -> None:
        self.form = InventoryForm(params)

    def is_valid(self) -> bool:
        return self.form.is_valid()

    @property
    def chosen(self) -> dict[str, Any]:
        return self.form.cleaned_data

    def keys(self, *also: Condition) -> tuple[Keys, Order]:
        """Return the filtered keys that also meet ``also``, and the order to read them in."""
        sort = self.sort_in_use()
        return conditions.narrow(self._all(), [*self._conditions(), *also], sort, SORTS[sort.lstrip("-")])

    def keys_of_a_page(self, *also: Condition) -> tuple[Keys, Order, list[tuple[Keys, Order]]]:
        """Return what ``keys`` does, and queries that together find the keys of one page faster, if any."""
        sort, met = self.sort_in_use(), [*self._conditions(), *also]
        columns = SORTS[sort.lstrip("-")]
        among = conditions.alternatives(self._all(), met, sort, columns)
        find = conditions.checked if among else conditions.narrow
        return *find(self._all(), met, sort, columns), among

    def total(self, *also: Condition) -> Total:
        return total(self._all(), [*self._conditions(), *also])

    def _all(self) -> Keys:
        keys = ApiKey.objects.all()
        return keys if self.chosen["status"] in UNLISTED else keys.filter(LISTED)

    def _conditions(self) -> list[Condition]:
        """Return the conditions in use, those that usually match the fewest keys first."""
        chosen, now = self.chosen, timezone.now()
        return [
            _one_or_several(condition, chosen[name], now)
            for name, condition in _CONDITIONS.items()
            if chosen[name]
        ]

    def sort_in_use(self) -> str:
        """Return the sort as in the query string, or an empty string if the filter is not valid."""
        if not self.is_valid():
            return ""
        return self.chosen["sort"] or self._usual_sort()

    def _usual_sort(self) -> str:
        chosen = self.chosen
        sorts = {default_sort(chosen["status"], chosen["expires"], need) for need in chosen["needs"] or [""]}
        return sorts.pop() if len(sorts) == 1 else default_sort()

    def in_use(self) -> dict[str, str]:
        """Return the filters that narrow the list, each as one text."""
        values = {name: self.chosen[name] for name in FILTERS if self.chosen[name]}
        return {name: " ".join(value) if isinstance(value, list) else value for name, value in values.items()}

    def state(self) -> dict[str, str | list[str]]:
        """Return the part of the query string that a saved view stores. Pages with equal states are equal.

        It has the filters, and the sort order and the columns if they are not the usual ones.
        """
        chosen = self.chosen
        filters = {name: chosen[name] for name in FILTERS if chosen[name]}
        if "owner" in filters:
            filters["owner"] = " ".join(filters["owner"])
        state = {name: sorted(value) if isinstance(value, list) else value for name, value in filters.items()}
        if chosen["sort"] not in {"", self._usual_sort()}:
            state["sort"] = chosen["sort"]
        if chosen["columns"] not in {(), DEFAULT}:
            state["columns"] = ",".join(chosen["columns"])
        return state

    def uses_ownership(self) -> bool:
        """Return whether one of the filters under "More filters" has a value or an error."""
        return any(self.form[name].value() or self.form[name].errors for name in (*MORE, "pepper"))

    def in_words(self) -> str:
        """Return the filter as one line, for exports and audit events, which are kept.

        An API key that somebody pasted into a field by mistake is left out.
        """
        parts = [f"{name}={key_text.withheld(value)}" for name, value in self.in_use().items()]
        return ", ".join(parts) or "all keys"

    def reasons(self) -> str:
        return " ".join(str(reason) for reasons in self.form.errors.values() for reason in reasons)
