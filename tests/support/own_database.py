"""Give a test its own database, which other processes and connections see too.

The address is the path of an SQLite file, or ``postgresql://…``. Django's transactional tests don't work here:
they flush tables, and the audit triggers refuse to delete rows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import environ
import psycopg
from django.conf import settings
from django.core.management import call_command
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import ConnectionHandler

Address = Path | str


def address(text: str) -> Address:
    """Parse an address that was sent to another process as text."""
    return text if text.startswith("postgresql:") else Path(text)


def connection_to(address: Address) -> BaseDatabaseWrapper:
    """Return a Django connection, not open yet, that can replace the one of the settings."""
    described = _postgresql(address) if isinstance(address, str) else _sqlite(address)
    return ConnectionHandler({DEFAULT_DB_ALIAS: described})[DEFAULT_DB_ALIAS]


def _sqlite(path: Path) -> dict[str, Any]:
    """Return the portal's settings without synchronous writes, because no test cuts the power."""
    usual = settings.DATABASES[DEFAULT_DB_ALIAS]
    options = {
        **usual["OPTIONS"],
        "init_command": usual["OPTIONS"]["init_command"] + "PRAGMA synchronous=OFF;",
    }
    return {**usual, "NAME": str(path), "OPTIONS": options}


def _postgresql(url: str) -> dict[str, Any]:
    """Return settings without the connection pool, which would outlive the test."""
    return {**environ.Env.db_url_config(url), "CONN_MAX_AGE": None}


@contextmanager
def standing_in(other: BaseDatabaseWrapper) -> Iterator[None]:
    """Use ``other`` as the portal's database, in this thread only."""
    usual = connections[DEFAULT_DB_ALIAS]
    connections[DEFAULT_DB_ALIAS] = other
    try:
        yield
    finally:
        connections[DEFAULT_DB_ALIAS] = usual


@contextmanager
def using(address: Address) -> Iterator[None]:
    """Use the database at ``address`` as the portal's, in this thread, until the block ends."""
    connection = connection_to(address)
    with standing_in(connection):
        try:
            yield
        finally:
            connection.close()


def create(address: Address) -> None:
    """Migrate an empty database."""
    with using(address):
        call_command("migrate", verbosity=0)
        call_command("createcachetable", verbosity=0)


def rows(address: Address, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """Read committed rows through a second connection, outside Django. Placeholders are ``?``."""
    if isinstance(address, str):
        with psycopg.connect(address) as other:
            return other.execute(
                sql.replace("?", "%s"), values or None
            ).fetchall()  # no values: % is only a %
    with closing(sqlite3.connect(address)) as other:
        return other.execute(sql, values).fetchall()


def write(address: Address, sql: str, *values: Any, patience: float = 0.5) -> None:
    """Write through a second connection. Fail if the lock isn't free within ``patience`` seconds."""
    if isinstance(address, str):
        with psycopg.connect(address, options=f"-c lock_timeout={round(patience * 1000)}") as other:
            other.execute(sql.replace("?", "%s"), values or None)
        return
    with closing(sqlite3.connect(address, timeout=patience)) as file, file:
        file.execute("PRAGMA foreign_keys = ON")
        file.execute(sql, values)


def open_transactions(address: Address) -> list[Any]:
    """Return the last statement of each idle open transaction. On SQLite, ``write`` fails if there is one."""
    return rows(address, _OPEN) if isinstance(address, str) else []


_OPEN = """
    SELECT query FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'
"""


def everything_in(address: Address) -> bytes:
    """Return the bytes of all files of the database."""
    return b"".join(file.read_bytes() for file in _files_of(address))


def _files_of(address: Address) -> list[Path]:
    if isinstance(address, Path):
        return sorted(address.parent.glob(f"{address.name}*"))
    with psycopg.connect(address, autocommit=True) as other:
        other.execute("CHECKPOINT")
        folder, number = other.execute(
            "SELECT current_setting('data_directory'), oid FROM pg_database WHERE datname = current_database()"
        ).fetchone()
    return sorted(Path(folder, "base", str(number)).iterdir())
