"""Write an event's details as words for people, on pages and in downloads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from typing import Any

from keys.audit.explanations import damage_in_words
from keys.models import ApiKey, LeaverPlan, Quarantine, SavedView, Selection
from keys.rules import formatting
from keys.rules.event_contents import OWNERSHIP
from keys.rules.events import Event
from keys.rules.lifecycle import State
from keys.rules.permissions import Action, Role
from keys.rules.requests import RequestKind, words_of
from keys.rules.reviews import Decision, Void
from keys.rules.rotation import Because, Proof
from keys.rules.scope_lists import rest_in_words
from keys.rules.scopes import label
from keys.selectors.activity.filter_words import filter_in_words
from keys.selectors.compare.matching import Group

NOT_SHOWN = {
    *("address_digest", "secrets_digest", "notifications", "chosen"),
    *("thumbprint", "leaves", "created_known", "fingerprint_digest", "password_digest", "list_digest"),
    *("view", "factor", "factor_digest", "rotation", "new_key", "document_digest", "preview_digest"),
    *("request", "exception", "campaign", "items_digest"),
}
"""Details for programs. The event's own page has them in its exact bytes."""
_LABELS = {
    "act": "action",
    "as_of": "as of",
    "alone": "approved by its author",
    "answer": "decision",
    "answers": "decisions",
    "assigned": "task of",
    "base": "version before",
    "because": "reason for the rotation",
    "cadence": "days until the next one",
    "candidates": "words compared",
    "cerby_id": "id in Cerby",
    "count": "number",
    "created_at": "created on",
    "digest": "hash",
    "due_on": "due on",
    "damage": "places with damage",
    "decision": "plan",
    "events": "number of events",
    "expires_at": "expires",
    "former_until": "end of the overlap before",
    "former_expires_at": "expiry before",
    "found": "found in Cerby",
    "from_state": "before that",
    "further_refusals": "also refused",
    "group": "what was confirmed",
    "grown": "new items of its owner",
    "hits": "keys found",
    "how": "stored",
    "import": "id of the import",
    "keys": "number of keys",
    "frozen": "asks to",
    "last_four": "last four characters",
    "last_used_at": "last used",
    "least_role": "least role of approvers",
    "link": "link to set a password",
    "losing": "people who would lose access",
    "method": "with",
    "part_of": "id of the act",
    "needs_approval": "another person must approve it",
    "newly_outside": "keys that are newly outside",
    "needed": "approvals needed",
    "new_browser": "first sign-in with this browser",
    "not_checkable": "scopes that could not be checked",
    "not_granted": "scopes that Cerby did not grant",
    "owner_id": "id of the owner",
    "people": "people in all",
    "person": "id of the person",
    "provider": "sign-in provider",
    "reach": "items of its owner",
    "read_at": "read on",
    "review_on": "review on",
    "remaining": "codes left",
    "removed_at": "removed on",
    "revocations": "keys to delete",
    "rows": "lines pasted",
    "secret_id": "secret's id in Cerby",
    "seen_at": "seen on",
    "shared": "shared with the key's owner",
    "shown": "status in Cerby's web app",
    "together": "keys kept at once",
    "unreadable": "lines that could not be read",
    "subject": "id at the sign-in provider",
    "whole_table": "the whole table was pasted",
}
_LABELS_OF: dict[tuple[str, str], str] = {
    **{(event, "until"): "end of the overlap" for event in (Event.ROTATION_STARTED, Event.ROTATION_ADVANCED)},
    **{(event, "until"): "decide by" for event in (Event.REQUEST_OPENED, Event.REQUEST_BREAK_GLASS)},
    (Event.ROTATION_EXTENDED, "until"): "end of the overlap",
    **{(event, "count"): "number of keys" for event in (Event.REVIEW_OPENED, Event.REVIEW_ESCALATED)},
    (Event.KEY_NOT_CERTIFIED, "void"): "because",
    (Event.SESSIONS_CLOSED, "count"): "number of sessions",
    (Event.BULK_STARTED, "count"): "number of keys",
    (Event.BULK_STOPPED, "count"): "number of keys",
    (Event.INVENTORY_COMPARED, "count"): "number of keys",
    (Event.INVENTORY_EXPORTED, "count"): "number of keys",
    (Event.ACTIVITY_EXPORTED, "count"): "number of events",
    (Event.ROLES_REFRESHED, "count"): "number of people",
    (Event.SWEEP_STOPPED, "keys"): "keys that Cerby lists",
    (Event.QUARANTINE_ENDED, "keys"): "keys that were held back",
    (Event.INVENTORY_SEARCHED, "filter"): "searched for",
}
_ATTRIBUTES = {
    "owner_email": "owner's email",
    "owner": "owner",
    "expires_at": "expiry",
    "created_at": "creation",
    "removed_at": "removal",
    "stored_at": "storage",
    "cerby_id": "Cerby's identifier",
    "frozen": "asks to",
    "last_four": "last four characters",
    "accountable": "accountable person",
    "review_on": "review date",
    "seen_by_id": "id of the person who confirmed it",
    "seen_at": "confirmed on",
    "use_read_by_id": "id of the person who read its last use",
    "use_read_at": "last use read on",
    "expiry_read_by_id": "id of the person who read its expiry",
    "expiry_read_at": "expiry read on",
    "missing_since": "missing in Cerby since",
    "state": "status",
}
"""The names of values in "before" and "after" that are no words themselves."""
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
_PROOFS = {
    Proof.NONE: "none",
    Proof.NEW_USED: "the new key was used",
    Proof.QUIET: "the new key was used, and the old one was quiet",
}
ACTS = {
    Selection.Act.DELETE: "delete keys",
    Selection.Act.ADOPT: "adopt keys",
    Selection.Act.EDIT: "edit keys",
    Selection.Act.REMIND: "remind owners",
    Selection.Act.ROTATE: "start rotations",
    Selection.Act.UNASK: "withdraw rotation tasks",
    Selection.Act.STOP: "stop keys in an emergency",
    Selection.Act.DRILL: "drill an emergency",
}
_GROUPS = {
    Group.CONFIRMED: "keys that Cerby shows as active",
    Group.MISSING_HERE: "keys that the inventory lacked",
    Group.MISSING_THERE: "keys that Cerby's table lacked",
    Group.REMOVED_THERE: "keys that Cerby shows as removed",
    Group.AMBIGUOUS: "rows that fitted several keys",
}
_SETTINGS = {
    "PORTAL_KEY_MANAGEMENT": "who manages keys",
    "PORTAL_MAX_LIFETIME_DAYS": "longest lifetime in days",
    "PORTAL_MFA_REQUIRED": "who must have a second factor",
    "PORTAL_MFA_GRACE_DAYS": "days to add a second factor",
    "PORTAL_EXTRA_SCOPES": "extra scopes",
    "CERBY_ISSUE_MODE": "how keys are created",
}
_MOMENTS = {
    *("as_of", "created_at", "due_on", "expires_at", "expiry_read_at", "former_expires_at", "last_used_at"),
    *("missing_since", "read_at", "removed_at", "review_on", "seen_at", "since", "stored_at", "until"),
    *("use_read_at", "used_at", "former_until"),
}
_SCOPES = {"scopes", "before", "after", "not_granted", "not_checkable"}


def _frozen(act: dict[str, Any]) -> str:
    """Return the act of a request in words."""
    if "scopes" not in act:
        kind = RequestKind.KEEP if "until" in act else RequestKind.DELETE
        return words_of({"kind": kind, **act})
    if "scope" in act:
        return words_of({"kind": RequestKind.WIDEN, **act})
    scopes = ", ".join(map(label, act["scopes"]))
    return f"generate the API key “{act['name']}” with {scopes}"


def _items(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {items}" for items, count in sorted(counts.items()))


_WORDS: dict[str, Callable[[Any], str]] = {
    "from_state": lambda value: _of(_STATES, value),
    "state": lambda value: _of(_STATES, value),
    "act": lambda value: _of(ACTS, value),
    "cause": lambda value: _of(dict(Quarantine.Cause.choices), value),
    "group": lambda value: _of(_GROUPS, value),
    "page": lambda value: _of(dict(SavedView.Page.choices), value),
    "kind": lambda value: _of(dict(ApiKey.Kind.choices), value).lower(),
    "environment": lambda value: _of(dict(ApiKey.Environment.choices), value).lower(),
    "because": lambda value: _of({each.value: each.label for each in Because}, value).lower(),
    "overlap": lambda value: formatting.duration(timedelta(seconds=value)),
    "quiet_after": lambda value: formatting.duration(timedelta(seconds=value)),
    "decision": lambda value: _of({"": "No plan", **dict(LeaverPlan.Decision.choices)}, value).lower(),
    "frozen": _frozen,
    "answer": lambda value: _of({each.value: each.label.lower() for each in Decision}, value),
    "answers": lambda value: ", ".join(
        f"{_of({each.value: each.label.lower() for each in Decision}, name)}: {count:,}"
        for name, count in sorted(value.items())
    ),
    "void": lambda value: _of({each.value: each.label for each in Void}, value),
    "least_role": lambda value: Role(value).label,
    "grown": _items,
    "reach": _items,
    "proof": lambda value: _of(_PROOFS, value),
    "origin": lambda value: _of(dict(ApiKey.Origin.choices), value),
    "action": lambda value: _of({action.value: action.words for action in Action}, value),
    "link": lambda value: _of({"mailed": "mailed to the person", "shown": "shown to the admin"}, value),
    "filter": lambda value: filter_in_words(str(value)),
    "damage": lambda value: "; ".join(map(damage_in_words, value)) if value else "none",
    "rules": lambda value: f"of {len(value)} actions",
    "settings": lambda value: "; ".join(
        f"{_of(_SETTINGS, name)}: {_plain(each)}" for name, each in sorted(value.items())
    ),
    "further_refusals": lambda value: f"{value} more time{'' if value == 1 else 's'}",
}
"""How a value of a detail becomes words, if it is a code or a list of them."""


def _of(words: Any, value: Any) -> str:
    """Return the words for ``value``, or the value itself, with spaces, if an older portal wrote it."""
    return str(words.get(value, str(value).replace("_", " ").replace("-", " "))) if value is not None else ""


def attribute(name: str) -> str:
    """Return the words for the name of a value in "before" and "after"."""
    return _ATTRIBUTES.get(name, name.replace("_", " "))


def in_order(details: dict[str, Any]) -> list[tuple[str, Any]]:
    """Sort details by name, because PostgreSQL doesn't keep their order.

    Values of ownership that are not set are left out. A time of creation that nobody knew says so.
    """
    if details.get("created_known") is False:
        details = details | {"created_at": formatting.NOT_KNOWN.lower()}
    return sorted((name, value) for name, value in details.items() if value or name not in OWNERSHIP)


def details_in_words(kind: str, details: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the label and the text of each detail that has a value. ``kind`` is the event's type."""
    for name, value in in_order(details):
        if name not in NOT_SHOWN and value not in (None, ""):
            yield label_of(kind, name), text_of(name, value)


def label_of(kind: str, name: str) -> str:
    """Return the label of the detail ``name`` of an event of the type ``kind``."""
    return _LABELS_OF.get((kind, name)) or _LABELS.get(name, name.replace("_", " "))


def text_of(name: str, value: Any) -> str:
    """Return a detail's value, or a value in "before" or "after", as one line of words."""
    if name in _WORDS:
        return _WORDS[name](value)
    if name in _MOMENTS and isinstance(value, str):
        return _moment(value)
    if name in _SCOPES and isinstance(value, list):
        return ", ".join(label(rest_in_words(scope)) for scope in value) or "none"
    return _plain(value)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list):
        return "; ".join(_plain(part) for part in value) or "none"
    if isinstance(value, dict):
        if "email" in value and value.keys() <= {"id", "email"}:
            return str(value["email"] or value.get("id", ""))
        return ", ".join(f"{attribute(name)}: {_plain(each)}" for name, each in sorted(value.items()))
    return "" if value is None else str(value)


def _moment(text: str) -> str:
    """Return a day or a time as people write it, or ``text`` if it is neither, such as "never"."""
    try:
        if len(text) == len("2026-11-30"):
            day = date.fromisoformat(text)
            return f"{day.day} {day:%B %Y}"
        return formatting.exact(datetime.fromisoformat(text))
    except ValueError:
        return text
