"""Compare the triggers, constraints and permissions that protect the log with those that the migrations made.

Somebody who owns the tables can drop a trigger, or add one that throws events away, before they tamper with
rows. The migrations are the only description of what must be there.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any

from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.models import Model

from keys.audit import guards_postgresql
from keys.migrations._vendor import SqlOn
from keys.models import AuditEvent, Checkpoint, Sealed, TreeHead, TreeNode, Unsealed

WRONG_INDEXES = 5
"""Findings in indexes that a verification lists."""
MODELS: tuple[type[Model], ...] = (AuditEvent, Unsealed, Sealed, TreeNode, TreeHead, Checkpoint)


def broken_guards() -> list[str]:
    """Return what is missing, changed or too much, such as "trigger keys_sealed_no_update is missing"."""
    if connection.vendor == "sqlite":
        return sorted(_in_sqlite())
    return sorted(guards_postgresql.broken(MODELS, statements("postgresql")))


@functools.cache
def statements(vendor: str) -> tuple[str, ...]:
    """Return the SQL of all migrations for this kind of database, in order."""
    migrations = MigrationLoader(None).disk_migrations
    mine = sorted(name for app, name in migrations if app == AuditEvent._meta.app_label)  # noqa: SLF001
    operations = [each for name in mine for each in migrations[AuditEvent._meta.app_label, name].operations]  # noqa: SLF001
    return tuple(str(each.sql) for each in operations if isinstance(each, SqlOn) and each.vendor == vendor)


def _in_sqlite() -> Iterator[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT type, name, tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        schema = cursor.fetchall()
    triggers = {name: _plain(sql) for kind, name, table, sql in schema if kind == "trigger"}
    expected = _triggers_of_migrations()
    for name in expected.keys() - triggers.keys():
        yield f"trigger {name} is missing"
    for name in triggers.keys() - expected.keys():
        yield f"trigger {name} is not the portal's"
    for name in expected.keys() & triggers.keys():
        if expected[name] != triggers[name]:
            yield f"trigger {name} was changed"
    tables = {name: sql for kind, name, _, sql in schema if kind == "table"}
    for model in MODELS:
        yield from _in_table(model, tables.get(model._meta.db_table))  # noqa: SLF001 - Django's own name for it


@functools.cache
def _triggers_of_migrations() -> dict[str, str]:
    found: dict[str, str] = {}
    for sql in statements("sqlite"):
        if made := re.match(r"\s*CREATE TRIGGER (\w+)", sql):
            found[made[1]] = _plain(sql)
        if dropped := re.match(r"\s*DROP TRIGGER (\w+)", sql):
            found.pop(dropped[1], None)
    return found


def _plain(sql: str) -> str:
    return " ".join(sql.split()).rstrip(";")


def _in_table(model: type[Model], sql: str | None) -> Iterator[str]:
    """Compare a table's definition with the model: PRAGMA writable_schema allows to edit it."""
    table = model._meta.db_table  # noqa: SLF001
    if sql is None:
        yield f"table {table} is missing"
        return
    parts = _parts(sql)
    expected = _definitions(model)
    for name, definition in expected.items():
        if definition not in parts:
            yield f"{name} of {table} is missing or was changed"
    for part in parts - set(expected.values()):
        yield f"table {table} has another definition: {part[:80]}"


def _parts(sql: str) -> set[str]:
    """Split the text of a CREATE TABLE at its outer commas. A comment in it differs from every part."""
    _, _, body = sql.partition("(")
    body, _, after = body.rpartition(")")
    parts, depth, quoted = [""], 0, ""
    for letter in body:
        if quoted:
            quoted = "" if letter == quoted else quoted
        elif letter in "'\"":
            quoted = letter
        depth += 0 if quoted else {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and depth == 0 and not quoted:
            parts.append("")
        else:
            parts[-1] += letter
    return {part for part in (" ".join(each.split()) for each in [*parts, after]) if part}


def wrong_indexes() -> list[str]:
    """Return the faults that SQLite finds, such as an index without an event, which hides it from Activity.

    It reads the whole file. PostgreSQL gives nobody but a superuser a way to change an index alone.
    """
    if connection.vendor != "sqlite":
        return []
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA integrity_check({WRONG_INDEXES})")
        return [f"the database file is damaged: {words}" for (words,) in cursor.fetchall() if words != "ok"]


@functools.cache
def _definitions(model: type[Model]) -> dict[str, str]:
    """Return the parts of the table's definition by their names, such as "column uid"."""
    editor: Any = connection.SchemaEditorClass(connection, collect_sql=True)
    sql, _ = editor.table_sql(model)
    found = {}
    for part in _parts(sql):
        words = part.replace('"', "").split()
        found[f"constraint {words[1]}" if words[0] == "CONSTRAINT" else f"column {words[0]}"] = part
    return found
