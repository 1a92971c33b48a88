"""Return the changes that an event records, as removed and added values."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from keys.rules import formatting
from keys.rules.scopes import label

_SCOPES = "scopes"
_LABELS = {
    "owner_email": "owner's email",
    "expires_at": "expiry",
    "cerby_id": "Cerby's identifier",
    "email": "email",
    "accountable": "accountable person",
    "review_on": "review date",
}


class Change(NamedTuple):
    """``removed`` and ``added`` are printable values. For scopes, they are only those that differ."""

    name: str
    removed: list[str]
    added: list[str]


def changes_in(details: dict[str, Any]) -> list[Change]:
    """Return the changes between an event's ``before`` and ``after``, or nothing if it has no such pair.

    The two are lists of scopes, or dictionaries with the same attributes.
    """
    before, after = details.get("before"), details.get("after")
    if isinstance(before, list) and isinstance(after, list):
        return [_change(_SCOPES, before, after)]
    if isinstance(before, dict) and isinstance(after, dict):
        return [_change(name, before.get(name), after.get(name)) for name in sorted({*before, *after})]
    return []


def _change(name: str, before: Any, after: Any) -> Change:
    attribute = _LABELS.get(name, name.replace("_", " "))
    if name == "tags":
        return Change(
            attribute,
            [tag for tag in before if tag not in after],
            [tag for tag in after if tag not in before],
        )
    if isinstance(before, list) and isinstance(after, list):
        removed = [label(scope) for scope in before if scope not in after]
        return Change(attribute, removed, [label(scope) for scope in after if scope not in before])
    return Change(attribute, _values(name, before), _values(name, after))


def _values(name: str, value: Any) -> list[str]:
    if value in (None, "", []):
        return []
    if name == "expires_at":
        return [formatting.exact(datetime.fromisoformat(value))]
    if isinstance(value, dict):  # a person
        return [value.get("email") or value["id"]]
    return [label(scope) for scope in value] if isinstance(value, list) else [str(value)]
