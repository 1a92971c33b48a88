"""Protect rows from which the portal draws conclusions from changes, with a key that is not in the database.

These are the results of verifications and the counts of refusals.
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
_SALT, _COUNT_SALT = "keys.verification", "keys.refusalcount"


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
