"""The journal of requests: what was asked and answered, never a secret."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from keys.cerby.sandbox.messages import Presented, Request

if TYPE_CHECKING:
    import sqlite3

_ENTRIES_KEPT = 10_000
_LONGEST_TEXT = 500  # characters
_CREDENTIAL = re.compile(r"(sb[xt]_)[\w-]+")  # the shapes of our keys and tokens


def append(db: sqlite3.Connection, at: str, request: Request, status: int) -> None:
    presented = request.presented or Presented("")
    row = [
        at,
        request.method,
        _safe(request.path),
        _safe(unquote_plus(request.query)),
        presented.kind or None,
        presented.person_id,
        presented.key_id,
        request.external_id,
        status,
    ]
    added = db.execute(
        "INSERT INTO journal (at, method, path, query, credential, person_id, key_id, external_id, status)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        row,
    )
    db.execute("DELETE FROM journal WHERE id <= ?", [(added.lastrowid or 0) - _ENTRIES_KEPT])


def read(db: sqlite3.Connection) -> list[dict[str, Any]]:
    """Every entry, oldest first."""
    return [dict(row) for row in db.execute("SELECT * FROM journal ORDER BY id")]


def _safe(text: str) -> str:
    """A credential may have been put into an address by mistake: only its prefix is kept."""
    return _CREDENTIAL.sub(r"\1[redacted]", text)[:_LONGEST_TEXT]
