"""Keep the walk's databases, on SQLite or PostgreSQL, and restore each one before every case."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper

from tests.support import own_database
from tests.support.own_database import Address
from tests.support.postgresql_server import Server, serving
from tests.support.prepared import MIGRATED

PLAIN_TEXT = re.compile(rb"sbx_[\w-]{20,}")
_IN_A_ROW = "sbx_[A-Za-z0-9_-]{20}|" + b"sbx_".hex()  # as text, and as PostgreSQL shows bytes
_TABLES = """
    SELECT quote_ident(relname), string_agg(quote_ident(attname), ', ')
    FROM pg_attribute JOIN pg_class ON attrelid = pg_class.oid
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
        AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
    GROUP BY relname
"""  # with the columns that can be written
_SEQUENCES = "SELECT quote_ident(sequencename), last_value FROM pg_sequences WHERE schemaname = 'public'"
_VACUUM_EVERY = 100  # times back


class Databases(Protocol):
    """Databases by name."""

    def address(self, name: str) -> Address: ...

    def make(self, name: str) -> Address:
        """Create a migrated database without rows."""

    def copy(self, source: str, target: str) -> Address: ...

    def keep(self, name: str) -> None:
        """Save the current content for ``back_to``."""

    def back_to(self, name: str) -> None:
        """Restore the saved content. No live process may be using the database."""

    def using(self, name: str) -> AbstractContextManager[None]:
        """Use it as the portal's database in the block."""

    def plain_text(self, name: str) -> list[str]:
        """Return the files or tables that contain an API key's plain text."""


class SQLite:
    """One folder per database, with the files that SQLite writes beside it."""

    def __init__(self, folder: Path, migrated: Path | None) -> None:
        self._folder, self._migrated = folder, migrated

    def address(self, name: str) -> Path:
        return self._folder / name / "portal.sqlite3"

    def make(self, name: str) -> Path:
        if self._migrated is not None:
            return self._copy(self._migrated, name)
        self.address(name).parent.mkdir()
        own_database.create(self.address(name))
        return self.address(name)

    def copy(self, source: str, target: str) -> Path:
        return self._copy(self.address(source), target)

    def _copy(self, file: Path, name: str) -> Path:
        self.address(name).parent.mkdir()
        return Path(shutil.copyfile(file, self.address(name)))

    def keep(self, name: str) -> None:
        shutil.copyfile(self.address(name), self._kept(name))

    def back_to(self, name: str) -> None:
        for file in self.address(name).parent.iterdir():
            file.unlink()
        shutil.copyfile(self._kept(name), self.address(name))

    def using(self, name: str) -> AbstractContextManager[None]:
        return own_database.using(self.address(name))

    def plain_text(self, name: str) -> list[str]:
        files = sorted(self.address(name).parent.iterdir())
        return [file.name for file in files if PLAIN_TEXT.search(file.read_bytes())]

    def _kept(self, name: str) -> Path:
        return self._folder / f"{name}.kept"


class PostgreSQL:
    """One PostgreSQL database each, with a copy of its rows in a separate schema.

    Rewriting rows is far quicker than creating a database. Connections stay open, because a new one has to
    read the whole catalogue.
    """

    def __init__(self, server: Server, open_: ExitStack, *, is_migrated: bool) -> None:
        self._server, self._open, self._is_migrated = server, open_, is_migrated
        self._portals: dict[str, BaseDatabaseWrapper] = {}
        self._own: dict[str, psycopg.Connection] = {}
        self._way_back: dict[str, str] = {}
        self._times_back = 0

    def address(self, name: str) -> str:
        return self._server.url(_word(name))

    def make(self, name: str) -> str:
        if self._is_migrated:
            self._server.create(_word(name), template=MIGRATED)
        else:
            self._server.create(_word(name))
            own_database.create(self.address(name))
        return self.address(name)

    def copy(self, source: str, target: str) -> str:
        self._server.create(_word(target), template=_word(source))
        return self.address(target)

    def keep(self, name: str) -> None:
        connection = self._connection(name)
        connection.execute("CREATE SCHEMA kept")
        steps = ["SET session_replication_role = replica"]  # the triggers would refuse the changes
        for table, columns in connection.execute(_TABLES):
            connection.execute(f"CREATE TABLE kept.{table} AS SELECT {columns} FROM {table}")
            steps.append(f"DELETE FROM {table}")
            steps.append(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM kept.{table}")
        for sequence, last in connection.execute(_SEQUENCES):
            steps.append(f"SELECT setval('{sequence}', {last or 1}, {last is not None})")
        self._way_back[name] = "; ".join(steps)

    def back_to(self, name: str) -> None:
        self._times_back += 1
        if self._times_back % _VACUUM_EVERY == 0:
            self._connection(name).execute("VACUUM")
        self._connection(name).execute(self._way_back[name])

    @contextmanager
    def using(self, name: str) -> Iterator[None]:
        if name not in self._portals:
            self._portals[name] = own_database.connection_to(self.address(name))
            self._open.callback(self._portals[name].close)
        with own_database.standing_in(self._portals[name]):
            yield

    def plain_text(self, name: str) -> list[str]:
        """Search the visible rows, not dead rows or the write-ahead log."""
        return [table for (table,) in self._connection(name).execute(self._search(name))]

    def _search(self, name: str) -> str:
        tables = [table for table, _ in self._connection(name).execute(_TABLES)]
        return " UNION ALL ".join(
            f"(SELECT '{t}' FROM {t} WHERE {t}::text ~ '{_IN_A_ROW}' LIMIT 1)" for t in tables
        )

    def _connection(self, name: str) -> psycopg.Connection:
        if name not in self._own:
            connection = psycopg.connect(self.address(name), autocommit=True, prepare_threshold=None)
            self._own[name] = self._open.enter_context(connection)
        return self._own[name]


def _word(name: str) -> str:
    return "walk_" + name.replace("-", "_")


@contextmanager
def databases(kind: str, folder: Path, migrated: Path | None = None) -> Iterator[Databases]:
    """Provide databases of ``kind``, sqlite or postgresql, in the block.

    ``migrated`` is what ``tests.support.prepared`` makes for this kind. Without it, migrations take a few seconds.
    """
    if kind == "sqlite":
        yield SQLite(folder, migrated)
    else:
        with serving(migrated) as server, ExitStack() as open_:
            yield PostgreSQL(server, open_, is_migrated=migrated is not None)
