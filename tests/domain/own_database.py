"""A database file of a test's own, for what the test transaction would hide: other processes and connections.

Never Django's transactional tests: their flush deletes rows, which the audit triggers refuse.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.utils import ConnectionHandler


@contextmanager
def using(path: Path) -> Iterator[None]:
    """In this thread, the portal's database is the file at ``path``; each thread asks for itself."""
    usual = connections[DEFAULT_DB_ALIAS]
    connections[DEFAULT_DB_ALIAS] = ConnectionHandler({DEFAULT_DB_ALIAS: _described(path)})[DEFAULT_DB_ALIAS]
    try:
        yield
    finally:
        connections[DEFAULT_DB_ALIAS].close()
        connections[DEFAULT_DB_ALIAS] = usual


def _described(path: Path) -> dict[str, Any]:
    """The portal's own settings, without waiting for the disk: no test here cuts the power."""
    usual = connections[DEFAULT_DB_ALIAS].settings_dict
    options = {
        **usual["OPTIONS"],
        "init_command": usual["OPTIONS"]["init_command"] + "PRAGMA synchronous=OFF;",
    }
    return {**usual, "NAME": str(path), "OPTIONS": options}


def create(path: Path) -> None:
    """Write a migrated, empty database."""
    with using(path):
        call_command("migrate", verbosity=0)
        call_command("createcachetable", verbosity=0)


def rows(path: Path, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """What a second connection, outside of Django, reads from the file: committed rows only."""
    with closing(sqlite3.connect(path)) as other:
        return other.execute(sql, values).fetchall()


def write(path: Path, sql: str, *values: Any) -> None:
    """Write through a second connection; fails within half a second where a transaction is open elsewhere."""
    with closing(sqlite3.connect(path, timeout=0.5)) as other, other:
        other.execute(sql, values)
