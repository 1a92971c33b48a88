"""Set the limits of bulk actions, and tell which values of a key changed after it was selected."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

MOST_KEYS = 10_000
"""A list is not longer, so that freezing it takes about a second."""
MOST_DELETED = 50
TYPED_ABOVE = 10
"""To delete more keys, a person types their number."""

WATCHED = {
    "name": "name",
    "owner_id": "owner",
    "purpose": "purpose",
    "scopes": "scopes",
    "state": "status",
    "expires_at": "expiry",
    "last_used_at": "last use",
    "version": "details",
}
"""The columns that are compared, with their names for people."""
NOT_AGAIN = frozenset({"state", "purpose", "version"})
"""Columns that an action changes itself. They don't count if another worker has begun it."""


def seen(values: Mapping[str, Any]) -> dict[str, str]:
    """Return a short hash of each watched value, so that the list does not copy what a key says."""
    return {name: _hash(values[name]) for name in WATCHED}


def changes(before: Mapping[str, str], values: Mapping[str, Any], *, has_begun: bool = False) -> str:
    """Return the names of the values that differ from those in ``before``, or an empty string."""
    now = seen(values)
    compared = [name for name in WATCHED if name in before and not (has_begun and name in NOT_AGAIN)]
    return " and ".join(WATCHED[name] for name in compared if before[name] != now[name])


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, default=str).encode()).hexdigest()[:16]
