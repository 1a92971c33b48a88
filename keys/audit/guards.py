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
    for name, definition in _definitions(model).items():
        if definition not in sql:
            yield f"{name} of {table} is missing or was changed"


@functools.cache
def _definitions(model: type[Model]) -> dict[str, str]:
    editor: Any = connection.SchemaEditorClass(connection, collect_sql=True)
    meta = model._meta  # noqa: SLF001
    found = {f"constraint {each.name}": str(each.constraint_sql(model, editor)) for each in meta.constraints}
    for each in meta.local_concrete_fields:
        sql, _ = editor.column_sql(model, each)
        found[f"column {each.column}"] = f'"{each.column}" {sql}'
    return found
