"""Back up a test's own database, and restore it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from django.db import connection

from tests.support.postgresql_server import Server


def copy_of_file(database: Path) -> Callable[[], None]:
    kept = database.with_name("backup.sqlite3")
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(kept)) as target:
        source.backup(target)

    def restore() -> None:
        connection.close()
        for side in ("-wal", "-shm"):
            Path(f"{database}{side}").unlink(missing_ok=True)
        database.write_bytes(kept.read_bytes())

    return restore


def copy_of_rows(server: Server) -> Callable[[], None]:
    connection.close()
    rows = server.rows_of("own")

    def restore() -> None:
        connection.close()
        server.reset("own", rows)

    return restore
