"""The database of a case, on either kind: copied from the one in which its scene was set."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import psycopg

from tests.domain.own_database import Address
from tests.postgresql_server import Server, serving

PLAIN_TEXT = re.compile(rb"sbx_[\w-]{20,}")
_IN_A_ROW = "sbx_[A-Za-z0-9_-]{20}|" + b"sbx_".hex()  # as text, and as PostgreSQL shows bytes
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"


class Databases(Protocol):
    """Databases by name. ``plain_text``: where one holds an API key as it is, as people would say it."""

    def address(self, name: str) -> Address: ...

    def make(self, name: str) -> Address: ...

    def copy(self, source: str, target: str) -> Address: ...

    def plain_text(self, name: str) -> list[str]: ...


class SQLite:
    """A folder for each, with all that is written beside the file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def address(self, name: str) -> Path:
        return self._folder / name / "portal.sqlite3"

    def make(self, name: str) -> Path:
        self.address(name).parent.mkdir()
        return self.address(name)

    def copy(self, source: str, target: str) -> Path:
        shutil.rmtree(self.address(target).parent, ignore_errors=True)
        return Path(shutil.copyfile(self.address(source), self.make(target)))

    def plain_text(self, name: str) -> list[str]:
        files = sorted(self.address(name).parent.iterdir())
        return [file.name for file in files if PLAIN_TEXT.search(file.read_bytes())]


class PostgreSQL:
    def __init__(self, server: Server) -> None:
        self._server = server

    def address(self, name: str) -> str:
        return self._server.url(_word(name))

    def make(self, name: str) -> str:
        self._server.create(_word(name))
        return self.address(name)

    def copy(self, source: str, target: str) -> str:
        with psycopg.connect(self._server.url("postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {_word(target)} WITH (FORCE)")
        self._server.create(_word(target), template=_word(source))
        return self.address(target)

    def plain_text(self, name: str) -> list[str]:
        """Of what can be selected; dead rows and the write-ahead log are not looked at."""
        with psycopg.connect(self.address(name)) as connection:
            tables = [table for (table,) in connection.execute(_TABLES)]
            found = (connection.execute(f"SELECT 1 FROM {t} WHERE {t}::text ~ '{_IN_A_ROW}'") for t in tables)
            return [table for table, rows in zip(tables, found, strict=True) if rows.fetchone()]


def _word(name: str) -> str:
    return "walk_" + name.replace("-", "_")


@contextmanager
def databases(kind: str, folder: Path) -> Iterator[Databases]:
    """Those of ``kind``, sqlite or postgresql, for as long as the block lasts."""
    if kind == "sqlite":
        yield SQLite(folder)
    else:
        with serving() as server:
            yield PostgreSQL(server)
