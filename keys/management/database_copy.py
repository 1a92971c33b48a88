"""Copy all rows of an SQLite database to an empty PostgreSQL database, and compare both."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.apps import apps
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management.color import no_style
from django.db import connections, transaction
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Model

from keys.models import KeyFacts, KeyScope, KeyTag, SearchDocument, Unsealed

CHUNK = 2_000
"""Rows in memory at a time."""

MADE_BY_MIGRATING = frozenset({ContentType, Permission})
MADE_BY_TRIGGERS = frozenset({KeyFacts, KeyScope, KeyTag, SearchDocument, Unsealed})
"""Not copied, because triggers create them from keys and events, but compared."""

RENUMBERED = frozenset({KeyScope, KeyTag, SearchDocument})


class CannotCopyError(Exception):
    """The reason why the copy failed, as a sentence."""


@dataclass(frozen=True)
class Content:
    """The number of rows in a table, and the sum of their hashes, which does not depend on their order."""

    count: int
    digest: int


def copy_all(source: str, target: str) -> dict[str, int]:
    """Copy from the SQLite alias ``source`` to the PostgreSQL alias ``target``. Return rows by table.

    The copy is one transaction. Raises ``CannotCopyError`` if the databases have different versions, the
    target contains rows, the source is written to during the copy, or the copied rows differ.
    """
    _check_versions(source, target)
    before = _version(source)
    with transaction.atomic(using=target):
        _check_is_empty(target)
        with transaction.atomic(using=source):
            for model in _copied():
                _copy(model, source, target)
            _empty_the_queue(target)
            _continue_numbering(target)
            counts = {model._meta.db_table: _compare(model, source, target) for model in _compared()}  # noqa: SLF001
        if _version(source) != before:
            raise CannotCopyError(
                "The SQLite database was written to during the copy: a portal or a worker still uses it. "
                "Stop it and try again. Nothing was copied."
            )
    return counts


def _version(source: str) -> int:
    """Return a number that changes when another connection writes."""
    with connections[source].cursor() as cursor:
        cursor.execute("PRAGMA data_version")
        return int(cursor.fetchone()[0])


def _compared() -> list[type[Model]]:
    models = apps.get_models(include_auto_created=True)
    return [model for model in models if model._meta.managed and model not in MADE_BY_MIGRATING]  # noqa: SLF001


def _copied() -> list[type[Model]]:
    return [model for model in _compared() if model not in MADE_BY_TRIGGERS]


def _check_versions(source: str, target: str) -> None:
    if _applied(source) != _applied(target):
        raise CannotCopyError(
            "The two databases have different versions. Run `manage.py migrate` on both: "
            "without DATABASE_URL, then with it."
        )


def _applied(alias: str) -> set[tuple[str, str]]:
    return set(MigrationRecorder(connections[alias]).applied_migrations())


def _check_is_empty(target: str) -> None:
    filled = [model._meta.db_table for model in _copied() if model._base_manager.using(target).exists()]  # noqa: SLF001
    if filled:
        raise CannotCopyError(
            f"The PostgreSQL database is not empty: there are rows in {', '.join(sorted(filled))}. "
            "Create a new one, run `manage.py migrate` on it, and start nothing on it before the move."
        )


def _rows(model: type[Model], alias: str, columns: list[str]) -> Iterator[tuple[Any, ...]]:
    rows = model._base_manager.using(alias).order_by().values_list(*columns)  # noqa: SLF001
    return rows.iterator(chunk_size=CHUNK)


def _copy(model: type[Model], source: str, target: str) -> None:
    meta, connection = model._meta, connections[target]  # noqa: SLF001
    fields = [field for field in meta.concrete_fields if not field.generated]
    quote = connection.ops.quote_name
    columns = ", ".join(quote(str(field.column)) for field in fields)
    statement = f"COPY {quote(meta.db_table)} ({columns}) FROM STDIN"
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in _rows(model, source, [field.attname for field in fields]):
            pairs = zip(fields, row, strict=True)
            copy.write_row([field.get_db_prep_save(value, connection) for field, value in pairs])


def _empty_the_queue(target: str) -> None:
    """Remove sealed events from the queue, to which the trigger has added every copied event."""
    Unsealed.objects.using(target).filter(event__sealed__isnull=False).delete()


def _continue_numbering(target: str) -> None:
    connection = connections[target]
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), _copied()):
            cursor.execute(statement)


def _compare(model: type[Model], source: str, target: str) -> int:
    sent, arrived = _content(model, source), _content(model, target)
    if sent != arrived:
        raise CannotCopyError(
            f"The rows in {model._meta.db_table} differ: "  # noqa: SLF001
            f"{sent.count} rows were read and {arrived.count} arrived. Nothing was copied."
        )
    return sent.count


def _content(model: type[Model], alias: str) -> Content:
    own_numbers = model in RENUMBERED
    fields = [field for field in model._meta.concrete_fields if not (own_numbers and field.primary_key)]  # noqa: SLF001
    count = digest = 0
    for row in _rows(model, alias, [field.attname for field in fields]):
        count += 1
        digest += int.from_bytes(hashlib.sha256(_canonical(row)).digest())
    return Content(count, digest)


def _canonical(row: tuple[Any, ...]) -> bytes:
    return json.dumps([_plain(value) for value in row], sort_keys=True, default=str).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return bytes(value).hex() if isinstance(value, bytes | memoryview) else value
