"""Write an event's details as words for people."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from keys.rules import formatting
from keys.rules.events import OWNERSHIP
from keys.rules.lifecycle import State
from keys.rules.scopes import label

_NOT_SHOWN = {"thumbprint"}
"""Details for programs. The event's own page has them in its exact bytes."""
_LABELS = {
    "as_of": "as of",
    "candidates": "words compared",
    "cerby_id": "id in Cerby",
    "created_at": "created on",
    "damage": "places with damage",
    "expires_at": "expires",
    "former_expires_at": "expiry before",
    "from_state": "before that",
    "further_refusals": "also refused",
    "hits": "keys found",
    "import": "import",
    "last_four": "last four characters",
    "last_used_at": "last used",
    "not_checkable": "scopes that could not be checked",
    "not_granted": "scopes that Cerby did not grant",
    "owner_id": "owner's number in the portal",
    "read_at": "read on",
    "review_on": "review on",
    "revocations": "keys to delete",
    "secret_id": "secret's id in Cerby",
    "seen_at": "seen on",
    "shared": "shared with",
}
_STATES = {
    State.REQUESTED: "requested, not generated yet",
    State.AWAITED: "waiting for the key to be pasted",
    State.CALLING: "being generated",
    State.REFUSED: "refused by Cerby",
    State.IN_DOUBT: "in doubt, because Cerby's answer was lost",
    State.ABSENT: "not in Cerby",
    State.READY: "generated, not viewed yet",
    State.CLAIMED: "viewed, not confirmed as stored",
    State.HELD: "in use",
    State.REVOKING: "being deleted",
    State.REVOKED: "deleted",
    State.WITHDRAWN: "withdrawn",
}
_MOMENTS = {"expires_at", "former_expires_at", "last_used_at", "read_at", "seen_at", "created_at", "until"}
_SCOPES = {"scopes", "before", "after", "not_granted", "not_checkable"}


def in_order(details: dict[str, Any]) -> list[tuple[str, Any]]:
    """Sort details by name, "before" and "after" last, because PostgreSQL doesn't keep their order.

    Values of ownership that are not set are left out.
    """
    last = {"before": 1, "after": 2}
    known = [(name, value) for name, value in details.items() if value or name not in OWNERSHIP]
    return sorted(known, key=lambda detail: (last.get(detail[0], 0), detail[0]))


def details_in_words(details: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the label and the text of each detail that has a value."""
    for name, value in in_order(details):
        if name not in _NOT_SHOWN and value not in (None, ""):
            yield _LABELS.get(name, name.replace("_", " ")), _words(name, value)


def _words(name: str, value: Any) -> str:
    if name == "from_state" and value in set(State):
        return _STATES[State(value)]
    if name == "further_refusals":
        return f"{value} more time{'' if value == 1 else 's'}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return text_of(name, value)


def text_of(name: str, value: Any) -> str:
    """Return a detail's value as one line."""
    if name in _SCOPES and isinstance(value, list):
        return ", ".join(label(scope) for scope in value)
    if name in _MOMENTS and isinstance(value, str) and value[:1].isdigit():
        return formatting.exact(datetime.fromisoformat(value))
    if name == "rules":
        return f"of {len(value)} actions"
    if isinstance(value, list):
        return "; ".join(str(part) for part in value) or "none"
    if isinstance(value, dict):
        return (
            str(value["email"])
            if value.keys() == {"id", "email"}
            else ", ".join(f"{name}: {each}" for name, each in sorted(value.items()))
        )
    return str(value)
