"""What somebody with a connection to the database does to it: SQL for either kind, past the triggers if need be."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


def run(sql: str = "", **by_vendor: str) -> None:
    """A statement as SQLite has it, of which zeroblob(n) and x'…' are translated, or one for each database."""
    statement = by_vendor.get(connection.vendor, sql)
    if connection.vendor == "postgresql":
        statement = re.sub(r"zeroblob\((\d+)\)", r"decode(repeat('00', \1), 'hex')", statement)
        statement = re.sub(r"\bx'(\w+)'", r"decode('\1', 'hex')", statement)
    with connection.cursor() as cursor:
        cursor.execute(statement)


@contextmanager
def without_triggers() -> Iterator[None]:
    """Within this block, and on SQLite until the transaction is rolled back, no trigger refuses anything."""
    if connection.vendor == "postgresql":
        run("SET LOCAL session_replication_role = replica")
        yield
        run("SET LOCAL session_replication_role = origin")
    else:
        _drop_triggers()
        yield


def _drop_triggers() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'keys_%_no_%'")
        for (name,) in cursor.fetchall():
            cursor.execute(f"DROP TRIGGER {name}")
