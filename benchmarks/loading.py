"""Fill an empty database quickly: insert rows without Django and some triggers, then create the indexes."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from benchmarks.databases import kept

Row = dict[str, Any]
Insert = Callable[[str, Iterator[Row]], None]
"""Inserts rows into a table, with values in SQLite's format."""

_MADE_AFTERWARDS = """
    SELECT type, name, sql FROM sqlite_master
    WHERE type = 'index' AND sql LIKE '% ON "keys_%'
        OR type = 'trigger' AND (sql LIKE '%append-only%' OR name = 'keys_auditevent_queued')
"""
_INDEXES = """
    SELECT indexrelid::regclass, pg_get_indexdef(indexrelid) FROM pg_index
    WHERE indrelid::regclass::text LIKE 'keys_%'
        AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
"""

_OF_KEYS = ("keys_apikey_indexed", "keys_apikey_tagged")
"""The triggers that write the search index, the scopes and the tags of a new key."""


@contextmanager
def filling(name: str) -> Iterator[Insert]:
    """Load in one transaction. The triggers of keys fire; those of the audit log do not."""
    with kept.plain(name) as plain:
        yield from _sqlite(plain) if isinstance(plain, sqlite3.Connection) else _postgresql(plain)


def _sqlite(plain: sqlite3.Connection) -> Iterator[Insert]:
    for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-1000000", "temp_store=MEMORY"):
        plain.execute(f"PRAGMA {pragma}")
    plain.execute("BEGIN")
    found = plain.execute(_MADE_AFTERWARDS).fetchall()
    for kind, name, _ in found:
        plain.execute(f'DROP {kind} "{name}"')

    def insert(table: str, rows: Iterator[Row]) -> None:
        if columns := _columns(first := next(rows, {})):
            places, values = ", ".join("?" for _ in first), map(_values, itertools.chain([first], rows))
            plain.executemany(f"INSERT INTO {table} ({columns}) VALUES ({places})", values)  # noqa: S608 - our own names

    yield insert
    for _, _, sql in found:
        plain.execute(sql)
    plain.execute("COMMIT")
    plain.execute("PRAGMA journal_mode=WAL")


def _postgresql(plain: psycopg.Connection) -> Iterator[Insert]:
    with plain.transaction():
        plain.execute("SET LOCAL TimeZone = 'UTC'")
        plain.execute("SET LOCAL maintenance_work_mem = '512MB'")
        # Disable all triggers except those that always fire.
        plain.execute("SET LOCAL session_replication_role = replica")
        for name in _OF_KEYS:
            plain.execute(f"ALTER TABLE keys_apikey ENABLE ALWAYS TRIGGER {name}")
        found = plain.execute(_INDEXES).fetchall()
        for name, _ in found:
            plain.execute(f"DROP INDEX {name}")

        def insert(table: str, rows: Iterator[Row]) -> None:
            if columns := _columns(first := next(rows, {})):
                with plain.cursor().copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                    for values in map(_values, itertools.chain([first], rows)):
                        copy.write_row(values)

        yield insert
        for _, sql in found:
            plain.execute(sql)
        for name in _OF_KEYS:
            plain.execute(f"ALTER TABLE keys_apikey ENABLE TRIGGER {name}")
    plain.execute("VACUUM ANALYZE")


def _columns(row: Row) -> str:
    return ", ".join(f'"{name}"' for name in row)


def _values(row: Row) -> tuple[Any, ...]:
    return tuple(row.values())
