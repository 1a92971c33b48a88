"""What an event changed, as what was taken away and what was added."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from keys.rules import formatting
from keys.rules.scopes import label

_SCOPES = "scopes"
_WORDS = {
    "owner_email": "owner's e-mail",
    "expires_at": "expiry",
    "cerby_id": "Cerby's identifier",
    "email": "e-mail",
}


class Change(NamedTuple):
    """``removed`` and ``added`` are words to print; of scopes, those that differ and no others."""

    what: str
    removed: list[str]
    added: list[str]


def changes_in(details: dict[str, Any]) -> list[Change]:
    """The changes between an event's ``before`` and ``after``; none where it carries no such pair.

    The two are lists of scopes, or dictionaries of the same named facts.
    """
    before, after = details.get("before"), details.get("after")
    if isinstance(before, list) and isinstance(after, list):
        return [_change(_SCOPES, before, after)]
    if isinstance(before, dict) and isinstance(after, dict):
        return [_change(name, before.get(name), after.get(name)) for name in sorted({*before, *after})]
    return []


def _change(name: str, before: Any, after: Any) -> Change:
    what = _WORDS.get(name, name.replace("_", " "))
    if isinstance(before, list) and isinstance(after, list):
        removed = [label(scope) for scope in before if scope not in after]
        return Change(what, removed, [label(scope) for scope in after if scope not in before])
    return Change(what, _words(name, before), _words(name, after))


def _words(name: str, value: Any) -> list[str]:
    if value in (None, "", []):
        return []
    if name == "expires_at":
        return [formatting.exact(datetime.fromisoformat(value))]
    return [label(scope) for scope in value] if isinstance(value, list) else [str(value)]
