"""Replay what the events say about a key besides the values that the portal restores.

Only a verification compares these. A fingerprint cannot be restored from its digest, and the others describe
how a key was stored or ended, which no job decides on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from keys.crypto.fingerprint import Fingerprint, digest_for_log
from keys.evidence.logged_keys import KeyEvent, LoggedKey
from keys.models import ApiKey
from keys.rules.events import BEGINS, Event
from keys.rules.key_text import WITHHELD
from keys.rules.lifecycle import State

NOT_RECORDED = "not recorded"
"""The value if the events are older than their details about it."""
CLOSE = timedelta(minutes=5)
"""A row has the time at which its change began, and the event the time at which it was written."""

Facts = dict[str, Any]


def wrong_facts(key: ApiKey, logged: LoggedKey) -> Iterator[tuple[str, Any, Any]]:
    """Yield name, value in the row and value in the log of what differs."""
    facts, row = facts_of(logged), _row(key)
    if key.cerby_id is not None:
        facts.pop("last_used_at", None)  # a reading from Cerby's list, without an event
    for name, right in facts.items():
        if right != NOT_RECORDED and not _agree(name, row[name], right):
            yield name, row[name], right


def has_other_fingerprint(key: ApiKey, logged: LoggedKey) -> bool:
    return any(name == "fingerprint" for name, _, _ in wrong_facts(key, logged))


def lacks_fingerprint(logged: LoggedKey) -> bool:
    """Return whether the log does not tell which fingerprint the key has."""
    return bool(facts_of(logged).get("fingerprint", NOT_RECORDED) == NOT_RECORDED)


def facts_of(logged: LoggedKey) -> Facts:
    """Return what the events say, or nothing if the log lacks the first events of the key."""
    if not logged.events or logged.events[0].type not in BEGINS:
        return {}
    facts: Facts = {
        "fingerprint": "",
        "stored_in": "",
        "stored_at": None,
        "failure": "",
        "removed_at": None,
        "missing_since": None,
        "last_used_at": None,
    }
    for event in logged.events:
        if event.outcome == "done" or event.type == Event.KEY_ISSUED:
            facts |= _told_by(event)
    return facts


def _agree(name: str, row: Any, right: Any) -> bool:
    if name == "missing_since" and row is None:  # a sweep that finds the key again writes no event
        return True
    if name == "missing_since" and right is not None:  # the start of the sweep that wrote the event
        return bool(row <= right + CLOSE)
    if isinstance(row, datetime) and isinstance(right, datetime):
        return bool(abs(row - right) <= CLOSE)
    if name == "stored_at":  # the state says whether a key is stored
        return True
    return bool(row == right or WITHHELD in str(right))


def _told_by(event: KeyEvent) -> Facts:
    tell = _TELLERS.get(Event(event.type))
    return tell(event) if tell else {}


def _made(event: KeyEvent) -> Facts:
    if event.outcome == "failed":
        return {"failure": event.reason}
    if event.details.get("origin") == ApiKey.Origin.DECLARED.label:
        return {}
    return {"fingerprint": event.details.get("fingerprint_digest", NOT_RECORDED)}


def _moment(value: str) -> datetime | str | None:
    if value == NOT_RECORDED:
        return value
    return None if value == "never" else datetime.fromisoformat(value)


def _changed(event: KeyEvent) -> Facts:
    if event.details["after"].get("status") != "removed":
        return {}
    return {"removed_at": _moment(event.details.get("removed_at", NOT_RECORDED))}


def _read(event: KeyEvent) -> Facts:
    return {"last_used_at": _moment(event.details["last_used_at"])} if "last_used_at" in event.details else {}


def _repaired(event: KeyEvent) -> Facts:
    """A repair sets the time of the end with the state. A row that was made again lacks the rest."""
    facts: Facts = {}
    details = event.details
    if "state" in details["after"]:
        removed = details["after"]["state"] == State.REVOKED
        facts["removed_at"] = NOT_RECORDED if removed else None
    if not details["before"]:
        facts |= {"fingerprint": "", "failure": "", "stored_in": "", "stored_at": None}
        facts |= {"missing_since": None, "last_used_at": NOT_RECORDED}
    return facts


_TELLERS: dict[Event, Callable[[KeyEvent], Facts]] = {
    Event.KEY_ISSUED: _made,
    Event.KEY_PASTED: _made,
    Event.KEY_REGISTERED: _made,
    Event.KEY_STORED: lambda event: {
        "stored_in": event.details.get("vault", "")[:200],
        "stored_at": event.at,
    },
    Event.KEY_KEPT: lambda event: {"failure": "", "removed_at": None, "stored_at": event.at},
    Event.KEY_DELETED: lambda event: {"removed_at": event.at},
    Event.KEY_REMOVAL_CONFIRMED: lambda event: {"removed_at": event.at},
    Event.KEY_REMOVAL_DECLARED: lambda event: {"removed_at": event.at},
    Event.KEY_CHANGED: _changed,
    Event.KEY_MISSING: lambda event: {"missing_since": event.at},
    Event.KEY_READ: _read,
    Event.KEY_WITHDRAWN: lambda _: {"fingerprint": ""},
    Event.KEY_REPAIRED: _repaired,
}


def _row(key: ApiKey) -> Facts:
    stored = Fingerprint(key.pepper_id, bytes(key.fingerprint)) if key.fingerprint is not None else None
    return {
        "fingerprint": digest_for_log(stored) if stored else "",
        "stored_in": key.stored_in,
        "stored_at": key.stored_at,
        "failure": key.failure,
        "removed_at": key.removed_at,
        "missing_since": key.missing_since,
        "last_used_at": key.last_used_at,
    }
