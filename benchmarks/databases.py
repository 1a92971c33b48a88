"""The databases that are measured: where they are kept, and which of them the portal reads.

Each has a name. SQLite keeps it in a file, PostgreSQL in a server of the benchmarks' own; both in ``FOLDER``.
"""

from __future__ import annotations

import atexit
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import load_backend

from benchmarks.settings import FOLDER, POSTGRESQL
from tests.support.postgresql_server import Server


class SQLite:
    """A kind of database. ``at(name)`` is Django's configuration; ``plain(name)`` connects without Django."""

    version = f"SQLite {sqlite3.sqlite_version}"

    def at(self, name: str) -> str:
        return str(FOLDER / f"{name}.sqlite3")

    def plain(self, name: str) -> Any:
        return closing(sqlite3.connect(self.at(name), isolation_level=None))

    def names(self) -> list[str]:
        return [path.stem for path in FOLDER.glob("*.sqlite3")]

    def create(self, name: str) -> None:
        """The first connection creates the file."""

    def drop(self, name: str) -> None:
        for path in FOLDER.glob(f"{name}.sqlite3*"):
            path.unlink()

    def rename(self, name: str, new: str) -> None:
        Path(self.at(name)).rename(self.at(new))


class PostgreSQL:
    """The same. Its server waits for the disk, as one in earnest does, and nothing in it is tuned."""

    def __init__(self) -> None:
        POSTGRESQL.mkdir(exist_ok=True)
        self._server = Server(POSTGRESQL, max_wal_size="4GB")  # speeds up filling the tables
        self._server.start()
        atexit.register(self._server.stop, signal.SIGINT)
        with self.plain("postgres") as connection:
            self.version = f"PostgreSQL {connection.info.server_version // 10_000}"

    def at(self, name: str) -> str:
        return name

    def plain(self, name: str) -> Any:
        return psycopg.connect(self._server.url(name), autocommit=True)

    def names(self) -> list[str]:
        with self.plain("postgres") as connection:
            return [name for (name,) in connection.execute("SELECT datname FROM pg_database")]

    def create(self, name: str) -> None:
        self._server.create(name)

    def drop(self, name: str) -> None:
        self._server.drop(name)

    def rename(self, name: str, new: str) -> None:
        with self.plain("postgres") as connection:
            connection.execute(f"ALTER DATABASE {name} RENAME TO {new}")


kept: SQLite | PostgreSQL = PostgreSQL() if connection.vendor == "postgresql" else SQLite()


def connect(at: str | Path) -> BaseDatabaseWrapper:
    """Return a connection to the database ``at`` with the portal's own settings."""
    settings = connections.settings["default"] | {"NAME": at}
    database = load_backend(settings["ENGINE"]).DatabaseWrapper(settings, "default")
    database._connection_pools = {}  # noqa: SLF001 - Django keys pools by alias, which is the same here
    return database


@contextmanager
def using(database: BaseDatabaseWrapper) -> Iterator[None]:
    """Use ``database`` for all queries in the block."""
    usual = connections["default"]
    connections["default"] = database
    try:
        yield
    finally:
        connections["default"] = usual
