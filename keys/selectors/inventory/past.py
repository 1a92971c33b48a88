"""Parse the filters of the inventory as of a past time, and apply them to one key at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from django import forms
from django.core.validators import MinValueValidator
from django.http import QueryDict
from django.utils import timezone

from keys.models import ApiKey
from keys.rules.folded_text import fold
from keys.rules.lifecycle import CAVEAT, State, Status
from keys.rules.permissions import Role
from keys.selectors.inventory.conditions import ANY_WRITE
from keys.selectors.inventory.filters import MORE, NEEDS, UNLISTED, InventoryForm
from keys.selectors.inventory.keyset import Window
from keys.selectors.inventory.periods import days_in, past, window_of

FILTERS = ("q", "status", "scope", "owner", "expires", "needs", "origin", *MORE)
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""Near the start of the calendar, a time in some time zones does not exist in UTC."""


class Person(Protocol):
    """The owner, or the person who answered for a key, at that time."""

    role: str
    in_the_workspace: str


People = Mapping[str, Person]
"""By their email of that time."""
Key = Mapping[str, Any]
"""The values of a ``KeyAsOf``."""


class PastForm(InventoryForm):
    """``at``: the time, in the reader's zone. If empty, the present time."""

    at = forms.DateTimeField(
        required=False,
        label="As of",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        error_messages={"invalid": "Enter a day and a time."},
        validators=[MinValueValidator(EARLIEST, "Enter a time after 1999.")],
    )

    def __init__(self, params: QueryDict) -> None:
        super().__init__(params)
        for name in self.fields.keys() - {"at", "after", *FILTERS}:
            del self.fields[name]
        needs = self.fields["needs"]
        assert isinstance(needs, forms.MultipleChoiceField)
        needs.choices = [(need, label) for need, label in NEEDS if need in _NEEDED]
        needs.error_messages["invalid_choice"] = "The audit log does not tell this for a past time."

    def clean_at(self) -> Any:
        at = self.cleaned_data["at"]
        if at is not None and at > timezone.now():
            raise forms.ValidationError("This time is in the future.")
        return at or timezone.now()

    def in_words(self) -> str:
        chosen = {name: self.cleaned_data[name] for name in FILTERS if self.cleaned_data[name]}
        said = [
            f"{name}={' '.join(each) if isinstance(each, list) else each}" for name, each in chosen.items()
        ]
        return ", ".join([f"as of {self.cleaned_data['at']:%Y-%m-%d %H:%M %Z}", *said])

    def reasons(self) -> str:
        return " ".join(str(reason) for reasons in self.errors.values() for reason in reasons)

    def uses_more(self) -> bool:
        return any(self[name].value() or self[name].errors for name in MORE)


def meets(key: Key, chosen: dict[str, Any], people: People) -> bool:
    """Return whether a key met the filters ``chosen`` at that time."""
    current = Status(key["status"].lower())
    wanted = {"live": {"active", "expired"}}.get(chosen["status"], {chosen["status"]})
    if current.value not in wanted if chosen["status"] else current.value in UNLISTED:
        return False
    return all(test(key, chosen[name], chosen["at"], people) for name, test in _TESTS.items() if chosen[name])


def _matches(key: Key, text: str) -> bool:
    values = [key[name] for name in ("name", "owner_email", "purpose", "team", "system", "cerby_id")]
    said = fold(" ".join((*values, *key["scopes"], *key["tags"], str(key["id"]))))
    return all(word in said for word in fold(text).split())


def _has(scopes: list[str], wanted: str) -> bool:
    if wanted == ANY_WRITE:
        return any(not scope.startswith("read:") for scope in scopes)
    return wanted in scopes


def _is_active(key: Key) -> bool:
    return Status(key["status"].lower()) is Status.ACTIVE


def _within(moment: datetime | None, window: Window) -> bool:
    if moment is None:
        return False
    return (window.low is None or moment > window.low) and (window.high is None or moment <= window.high)


def _expires(key: Key, when: str, at: datetime) -> bool:
    days = days_in(when)
    window = window_of(days) if days else Window(high=at + timedelta(days=int(when)))
    return _is_active(key) and _within(key["expires_at"], window)


def _was_made(key: Key, when: str, at: datetime) -> bool:
    made = Status(key["status"].lower()) in {Status.ACTIVE, Status.EXPIRED, Status.REMOVED}
    return made and _within(key["created_at"], past(when, at))


def _has_left(email: str, people: People) -> bool:
    return email in people and people[email].in_the_workspace == "no"


_NEEDED: dict[str, Callable[[Key, datetime, People], bool]] = {
    "unconfirmed": lambda key, _at, _people: key["caveat"] == CAVEAT[State.CLAIMED],
    "not-adopted": lambda key, _at, _people: (
        _is_active(key) and key["origin"] == ApiKey.Origin.DISCOVERED.label and not key["purpose"]
    ),
    "owner-left": lambda key, _at, people: _is_active(key) and _has_left(key["owner_email"], people),
    "orphan": lambda key, _at, people: (
        _is_active(key) and (not key["accountable_email"] or _has_left(key["accountable_email"], people))
    ),
    "review-due": lambda key, at, _people: (
        _is_active(key) and "" < (key["review_on"] or "") <= timezone.localdate(at).isoformat()
    ),
}
"""The needs that the audit log tells for a past time."""


def _has_role(key: Key, role: str, people: People) -> bool:
    owner = people.get(key["owner_email"])
    return owner is not None and owner.role.startswith(Role(int(role)).label)


_TESTS: dict[str, Callable[[Key, Any, datetime, People], bool]] = {
    "q": lambda key, text, _at, _people: _matches(key, text),
    "scope": lambda key, scopes, _at, _people: any(_has(key["scopes"], scope) for scope in scopes),
    "owner": lambda key, emails, _at, _people: key["owner_email"].lower() in emails,
    "expires": lambda key, when, at, _people: _expires(key, when, at),
    "needs": lambda key, needs, at, people: any(_NEEDED[need](key, at, people) for need in needs),
    "origin": lambda key, origin, _at, _people: key["origin"] == ApiKey.Origin(origin).label,
    "accountable": lambda key, email, _at, _people: key["accountable_email"] == email.lower(),
    "backup": lambda key, email, _at, _people: key["backup_email"] == email.lower(),
    "team": lambda key, team, _at, _people: fold(key["team"]) == fold(team),
    "system": lambda key, system, _at, _people: fold(key["system"]) == fold(system),
    "tag": lambda key, tag, _at, _people: fold(tag) in map(fold, key["tags"]),
    "kind": lambda key, kind, _at, _people: key["kind"] == kind,
    "environment": lambda key, environment, _at, _people: key["environment"] == environment,
    "role": lambda key, role, _at, people: _has_role(key, role, people),
    "made": lambda key, when, at, _people: _was_made(key, when, at),
    "removed": lambda key, when, at, _people: _within(key["removed_at"], past(when, at)),
}
