"""Protect rows from which the portal draws conclusions from changes, with a key that is not in the database.

These are the results of verifications, the counts of refusals, and what was mailed: alerts and reminders.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.core import signing

COLUMNS = (
    *("id", "asked_by", "finished_at", "events", "unsealed", "erased", "unchecked", "size", "signed_at"),
    *("damage", "failure"),
)
COUNT_COLUMNS = ("name", "waiting", "event", "user_id", "key_id", "reason", "ip", "browser", "details")
ALERT_COLUMNS = ("kind", "subject", "words", "since", "until", "mailed_at", "over_mailed_at")
NAME_COLUMNS = ("id", "kind", "subject")
REMINDER_COLUMNS = ("key_id", "kind", "sent_at")
_SALT, _COUNT_SALT = "keys.verification", "keys.refusalcount"
_ALERT_SALT, _REMINDER_SALT, _NAME_SALT = "keys.alert", "keys.reminder", "keys.alert.name"


def seal_of(verification: Any) -> str:
    """Return the MAC of the result of ``verification``, under a key derived from PORTAL_SECRET_KEY."""
    return _seal(_SALT, _text(verification, _columns(verification)))


def is_changed(verification: Any) -> bool:
    """Return whether the row is not the result that the portal stored."""
    return _differs(_SALT, _text(verification, _columns(verification)), verification.seal)


def _columns(verification: Any) -> Sequence[str]:
    """Return the protected columns. Results from before ``uncompared`` existed do not protect it."""
    return (*COLUMNS, "uncompared") if getattr(verification, "uncompared", 0) else COLUMNS


def seal_of_count(row: Any) -> str:
    """Return the MAC of a row of ``RefusalCount``, under another key derived from PORTAL_SECRET_KEY."""
    return _seal(_COUNT_SALT, _text(row, COUNT_COLUMNS))


def is_changed_count(row: Any) -> bool:
    return _differs(_COUNT_SALT, _text(row, COUNT_COLUMNS), row.seal)


def seal_of_alert(row: Any) -> str:
    return _seal(_ALERT_SALT, _text(row, ALERT_COLUMNS))


def is_changed_alert(row: Any) -> bool:
    """Return whether the row does not say what the portal mailed."""
    return _differs(_ALERT_SALT, _text(row, ALERT_COLUMNS), row.seal)


def name_of_alert(row: Any) -> str:
    """Return the name of the notification about an alert. Nobody else can write one with that name before."""
    return f"alert:{_seal(_NAME_SALT, _text(row, NAME_COLUMNS))}"


def seal_of_reminder(row: Any) -> str:
    return _seal(_REMINDER_SALT, _text(row, REMINDER_COLUMNS))


def is_changed_reminder(row: Any) -> bool:
    """Return whether the portal did not send this reminder."""
    return _differs(_REMINDER_SALT, _text(row, REMINDER_COLUMNS), row.seal)


def _seal(salt: str, text: str) -> str:
    return signing.Signer(salt=salt).signature(text)


def _differs(salt: str, text: str, seal: str) -> bool:
    try:
        signing.Signer(salt=salt).unsign(f"{text}:{seal}")
    except signing.BadSignature:
        return True
    return False


def _text(row: Any, columns: Sequence[str]) -> str:
    return json.dumps([getattr(row, column) for column in columns], sort_keys=True, default=_plain)


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
