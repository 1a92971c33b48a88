"""What keys were at an earlier moment, for a listing that lags behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

_COLUMNS = "id, name, scopes, owner_id, external_id, created_at, expires_at, last_used_at, removed_at"

_REMEMBER = f"""
INSERT INTO key_history (until, position, {_COLUMNS})
SELECT ?, rowid, {_COLUMNS} FROM api_keys WHERE id = ?
"""  # noqa: S608  the columns stand above

# A key as it was then is the oldest entry that was true beyond that moment, else the key of today.
_AS_OF = f"""
SELECT known.*, people.email FROM (
    SELECT rowid AS position, {_COLUMNS} FROM api_keys
    WHERE NOT EXISTS (SELECT 1 FROM key_history AS h WHERE h.id = api_keys.id AND h.until > :then)
    UNION ALL
    SELECT position, {_COLUMNS} FROM key_history
    WHERE rowid IN (SELECT min(rowid) FROM key_history WHERE until > :then GROUP BY id)
) AS known JOIN people ON people.id = known.owner_id
WHERE known.created_at <= :then
ORDER BY known.created_at, known.position
"""  # noqa: S608  the columns stand above


def remember(db: sqlite3.Connection, key_id: str, until: str) -> None:
    """Keep the key as it is now, right before it changes. ``until`` is the stamp of the change."""
    db.execute(_REMEMBER, [until, key_id])


def as_of(db: sqlite3.Connection, then: str) -> list[sqlite3.Row]:
    """The keys that there were at the stamp ``then``, oldest first, deleted ones included."""
    return db.execute(_AS_OF, {"then": then}).fetchall()
