"""Prepare migrated databases once for all workers of pytest-xdist, because a copy is much faster than a migration."""

from __future__ import annotations

import fcntl
import shutil
import signal
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connection

from tests.support import own_database
from tests.support.postgresql_server import serving

MIGRATED = "migrated"
"""The name of the migrated database in the copies of ``postgresql``."""
IN_MEMORY = "file:memorydb_default?mode=memory&cache=shared"
"""A database that all threads of a process share. Django's test runner names it so."""


def sqlite(folder: Path) -> Path:
    """Return a migrated SQLite file in ``folder``."""
    return _once(folder / "migrated.sqlite3", own_database.create)


def postgresql(folder: Path) -> Path:
    """Return the data of a PostgreSQL server with the database ``MIGRATED``."""
    return _once(folder / "postgresql", _make_postgresql)


def _make_postgresql(data: Path) -> None:
    with serving() as server:
        server.create(MIGRATED)
        own_database.create(server.url(MIGRATED))
        server.stop(signal.SIGINT)  # in good order
        server.copy_data(data)


def _once(path: Path, make: Callable[[Path], None]) -> Path:
    """Make ``path`` unless another worker has made it."""
    with path.with_name(f"{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            draft = path.with_name(f"{path.name}.draft")
            with ThreadPoolExecutor(1) as thread:  # browser tests run in an event loop, which Django refuses
                thread.submit(make, draft).result()
            shutil.move(draft, path)
    return path


def load_into_memory(migrated: Path) -> None:
    """Make the settings' database one in memory, as Django's test runner does, and copy ``migrated`` into it."""
    settings.DATABASES[DEFAULT_DB_ALIAS]["NAME"] = connection.settings_dict["NAME"] = IN_MEMORY
    connection.ensure_connection()
    with closing(sqlite3.connect(migrated)) as source:
        source.backup(connection.connection)
