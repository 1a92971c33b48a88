"""The journal of requests and their results. It never contains a secret."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from sandbox.messages import Credential, Request

if TYPE_CHECKING:
    import sqlite3

_ENTRIES_KEPT = 10_000
_MAX_TEXT = 500  # characters
_CREDENTIAL = re.compile(r"(sb[xt]_)[\w-]+")  # our keys and tokens


def append(
    db: sqlite3.Connection,
    at: str,
    request: Request,
    status: int,
    *,
    committed_at: str | None = None,
    fault: str | None = None,
) -> int:
    """Add an entry and return its sequence number. ``status`` is 0 if nothing was sent."""
    credential = request.credential or Credential("")
    row = [
        at,
        request.method,
        _safe(request.path),
        _safe(unquote_plus(request.query)),
        credential.kind or None,
        credential.person_id,
        credential.key_id,
        request.external_id,
        status,
        committed_at,
        fault,
    ]
    added = db.execute(
        "INSERT INTO journal (at, method, path, query, credential, person_id, key_id, external_id, status,"
        " committed_at, fault) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        row,
    )
    sequence = added.lastrowid or 0
    db.execute("DELETE FROM journal WHERE id <= ?", [sequence - _ENTRIES_KEPT])
    return sequence


def committed_late(db: sqlite3.Connection, sequence: int, at: str) -> None:
    """Note that the request of this entry was carried out late, at the stamp ``at``."""
    db.execute("UPDATE journal SET committed_at = ? WHERE id = ?", [at, sequence])


def read(db: sqlite3.Connection) -> list[dict[str, Any]]:
    """Return all entries, oldest first."""
    return [_entry(dict(row)) for row in db.execute("SELECT * FROM journal ORDER BY id")]


def _entry(row: dict[str, Any]) -> dict[str, Any]:
    return {"sequence": row.pop("id"), **row, "committed": row["committed_at"] is not None}


def _safe(text: str) -> str:
    """Cut the text and redact credentials, which a client may put into an address by mistake."""
    return _CREDENTIAL.sub(r"\1[redacted]", text)[:_MAX_TEXT]
