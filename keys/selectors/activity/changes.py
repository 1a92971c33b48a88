"""Return the changes that an event records, as removed and added values."""

from __future__ import annotations

from typing import Any, NamedTuple

from keys.rules.scope_lists import is_rest
from keys.rules.scopes import label
from keys.selectors.activity.words import attribute, text_of

_SCOPES = "scopes"


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


def changes_in_words(details: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the changes between ``before`` and ``after`` as pairs of label and text, for a download."""
    return [
        (f"{change.name} {said}", "; ".join(values))
        for change in changes_in(details)
        for said, values in (("removed", change.removed), ("added", change.added))
        if values
    ]


def _change(name: str, before: Any, after: Any) -> Change:
    if isinstance(before, list) and isinstance(after, list):
        removed, added = (
            [one for one in before if one not in after and not is_rest(one)],
            [one for one in after if one not in before and not is_rest(one)],
        )
        return Change(attribute(name), _each(name, removed), _each(name, added))
    return Change(attribute(name), _values(name, before), _values(name, after))


def _each(name: str, values: list[str]) -> list[str]:
    return [label(scope) for scope in values] if name == _SCOPES else values


def _values(name: str, value: Any) -> list[str]:
    if value in (None, "", []):
        return []
    return [label(scope) for scope in value] if isinstance(value, list) else [text_of(name, value)]
