"""Earlier versions of keys, for the fault ``list-stale``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

_COLUMNS = "id, name, scopes, owner_id, external_id, created_at, expires_at, last_used_at, removed_at"

_REMEMBER = f"""
INSERT INTO key_history (until, position, {_COLUMNS})
SELECT ?, rowid, {_COLUMNS} FROM api_keys WHERE id = ?
"""  # noqa: S608  only the columns above are inserted

# A key at :as_of is its oldest version that was replaced later, or the current key if none was.
_AS_OF = f"""
SELECT known.*, people.email FROM (
    SELECT rowid AS position, {_COLUMNS} FROM api_keys
    WHERE NOT EXISTS (SELECT 1 FROM key_history AS h WHERE h.id = api_keys.id AND h.until > :as_of)
    UNION ALL
    SELECT position, {_COLUMNS} FROM key_history
    WHERE rowid IN (SELECT min(rowid) FROM key_history WHERE until > :as_of GROUP BY id)
) AS known JOIN people ON people.id = known.owner_id
WHERE known.created_at <= :as_of
ORDER BY known.created_at, known.position
"""  # noqa: S608  only the columns above are inserted


def remember(db: sqlite3.Connection, key_id: str, until: str) -> None:
    """Store the key's current version, right before it changes. ``until`` is the stamp of the change."""
    db.execute(_REMEMBER, [until, key_id])


def read(db: sqlite3.Connection, as_of: str) -> list[sqlite3.Row]:
    """Return the keys as they were at the stamp ``as_of``, oldest first, including removed ones."""
    return db.execute(_AS_OF, {"as_of": as_of}).fetchall()
