"""Protect the stored result of a verification from changes, with a key that is not in the database."""

from __future__ import annotations

import json
from typing import Any

from django.core import signing

COLUMNS = (
    *("id", "asked_by", "finished_at", "events", "unsealed", "erased", "unchecked", "size", "signed_at"),
    *("damage", "failure"),
)
_SALT = "keys.verification"


def seal_of(verification: Any) -> str:
    """Return the MAC of the result of ``verification``, under a key derived from PORTAL_SECRET_KEY."""
    return signing.Signer(salt=_SALT).signature(_text(verification))


def is_changed(verification: Any) -> bool:
    """Return whether the row is not the result that the portal stored."""
    try:
        signing.Signer(salt=_SALT).unsign(f"{_text(verification)}:{verification.seal}")
    except signing.BadSignature:
        return True
    return False


def _text(verification: Any) -> str:
    values = [getattr(verification, column) for column in COLUMNS]
    return json.dumps(values, sort_keys=True, default=lambda moment: moment.isoformat())
