"""The SQLite file: schema, transactions and snapshots."""

from __future__ import annotations

import sqlite3
from collections import deque
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOCK_WAIT = 10.0  # seconds

# Times are stamps (see moments.py). Only the SHA-256 of a credential is stored.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS people (
    id TEXT PRIMARY KEY,
    email TEXT NOT NULL UNIQUE COLLATE NOCASE,
    first_name TEXT NOT NULL,
    last_name TEXT NOT NULL,
    role TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('live', 'disabled', 'pending')),
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    last_activity TEXT,
    mfa_enrolled_at TEXT
);
CREATE UNIQUE INDEX IF NOT EXISTS exactly_one_owner ON people (role) WHERE role = 'workspace_owner';

CREATE TABLE IF NOT EXISTS tokens (
    sha256 TEXT PRIMARY KEY,
    person_id TEXT NOT NULL REFERENCES people (id),
    expires_at TEXT NOT NULL
);

CREATE TABLE IF NOT EXISTS api_keys (
    id TEXT PRIMARY KEY,
    sha256 TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    owner_id TEXT NOT NULL REFERENCES people (id),
    external_id TEXT UNIQUE,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    last_used_at TEXT,
    removed_at TEXT
);
CREATE INDEX IF NOT EXISTS api_keys_by_creation ON api_keys (created_at);

-- Earlier versions of keys, for lists as of an earlier moment (see key_history.py).
CREATE TABLE IF NOT EXISTS key_history (
    until TEXT NOT NULL,
    position INTEGER NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    owner_id TEXT NOT NULL REFERENCES people (id),
    external_id TEXT,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    last_used_at TEXT,
    removed_at TEXT
);
CREATE INDEX IF NOT EXISTS key_history_of_one ON key_history (id, until);

CREATE TABLE IF NOT EXISTS secrets (
    id TEXT PRIMARY KEY,
    title TEXT NOT NULL,
    category TEXT NOT NULL,
    body_sha256 TEXT NOT NULL,
    body_length INTEGER NOT NULL,
    vault_id TEXT NOT NULL REFERENCES records (id),
    created_at TEXT NOT NULL,
    created_by TEXT NOT NULL REFERENCES people (id),
    expires_at TEXT,
    requires_identity_challenge INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE IF NOT EXISTS secret_members (
    secret_id TEXT NOT NULL REFERENCES secrets (id),
    kind TEXT NOT NULL CHECK (kind IN ('users', 'teams')),
    member_id TEXT NOT NULL,
    role TEXT NOT NULL,
    created_at TEXT NOT NULL,
    PRIMARY KEY (secret_id, kind, member_id)
);

CREATE TABLE IF NOT EXISTS records (
    id TEXT PRIMARY KEY,
    type TEXT NOT NULL,
    attributes TEXT NOT NULL,
    created_at TEXT NOT NULL
);

CREATE TABLE IF NOT EXISTS journal (
    id INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    query TEXT NOT NULL,
    credential TEXT,
    person_id TEXT,
    key_id TEXT,
    external_id TEXT,
    status INTEGER NOT NULL,
    committed_at TEXT,
    fault TEXT
);
"""
# Older files lack these columns and use another identifier for guests.
_ADDED = (
    ("journal", "committed_at", "TEXT"),
    ("journal", "fault", "TEXT"),
    ("people", "mfa_enrolled_at", "TEXT"),
    ("secrets", "expires_at", "TEXT"),
    ("secrets", "requires_identity_challenge", "INTEGER NOT NULL DEFAULT 0"),
)
_RENAME_GUESTS = "UPDATE people SET role = 'workspace_guest_user' WHERE role = 'workspace_guest'"


class Store:
    """One SQLite file. Each connection serves one thread at a time and is then reused."""

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)
        self._idle: deque[sqlite3.Connection] = deque()
        with self._connection() as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.executescript(_SCHEMA)
            for table, column, kind in _ADDED:
                if column not in {row["name"] for row in db.execute(f"PRAGMA table_info({table})")}:
                    db.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")
            db.execute(_RENAME_GUESTS)

    @contextmanager
    def transaction(self, *, commit: bool = True) -> Iterator[sqlite3.Connection]:
        """Start a transaction with a write lock (IMMEDIATE). Commit at the end; roll back on an exception.

        Without ``commit``, always roll back.
        """
        with self._connection() as db, db:
            db.execute("BEGIN IMMEDIATE")
            yield db
            if not commit:
                db.rollback()

    def snapshot(self) -> bytes:
        """Return the whole content, for ``restore``."""
        with self._connection() as db, closing(sqlite3.connect(":memory:")) as copy:
            db.backup(copy)
            copy.execute("VACUUM")  # clears the WAL mode, which an in-memory database cannot be opened with
            return copy.serialize()

    def restore(self, snapshot: bytes) -> None:
        with closing(sqlite3.connect(":memory:")) as source:
            source.deserialize(snapshot)
            self._overwrite(source)

    def reset(self) -> None:
        with closing(sqlite3.connect(":memory:")) as source:
            source.executescript(_SCHEMA)
            self._overwrite(source)

    def close(self) -> None:
        """Close idle connections; the next use opens new ones. Call it before a fork."""
        while self._idle:
            self._idle.pop().close()

    def _overwrite(self, source: sqlite3.Connection) -> None:
        with self._connection() as db:
            source.backup(db)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            db = self._idle.pop()
        except IndexError:
            db = self._connect()
        try:
            yield db
        finally:
            self._idle.append(db)

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, timeout=_LOCK_WAIT, isolation_level=None, check_same_thread=False)
        db.row_factory = sqlite3.Row
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA foreign_keys = ON")
        return db
