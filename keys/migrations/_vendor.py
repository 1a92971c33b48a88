"""Run SQL on one kind of database only, so that a migration lists SQLite's and PostgreSQL's side by side."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import migrations


class SqlOn(migrations.RunSQL):
    """Run SQL on databases of ``vendor``, "sqlite" or "postgresql", and do nothing on others."""

    def __init__(self, vendor: str, sql: str, reverse_sql: str = migrations.RunSQL.noop) -> None:
        super().__init__(sql, reverse_sql)
        self.vendor = vendor

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if schema_editor.connection.vendor == self.vendor:
            super().database_forwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if schema_editor.connection.vendor == self.vendor:
            super().database_backwards(app_label, schema_editor, from_state, to_state)


class _NotOnSqlite:
    """Leave SQLite's table as it is: a later operation rebuilds it from the models' state anyway."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if schema_editor.connection.vendor != "sqlite":
            super().database_forwards(app_label, schema_editor, from_state, to_state)  # type: ignore[misc]


class AddFieldLater(_NotOnSqlite, migrations.AddField):
    pass


class AddConstraintLater(_NotOnSqlite, migrations.AddConstraint):
    pass


class RemoveConstraintLater(_NotOnSqlite, migrations.RemoveConstraint):
    pass


class AlterGenerated(migrations.AlterField):
    """Change the expression of a generated column, with the indexes that use it and SQLite's triggers.

    Django cannot alter a generated column. SQLite needs a rebuild of the table, which drops its triggers.
    """

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        before = from_state.apps.get_model(app_label, self.model_name)
        after = to_state.apps.get_model(app_label, self.model_name)
        old, new = before._meta, after._meta  # noqa: SLF001 - documented by Django
        if schema_editor.connection.vendor == "sqlite":
            self._rebuild(schema_editor, after)
            return
        schema_editor.remove_field(before, old.get_field(self.name))
        schema_editor.add_field(after, new.get_field(self.name))
        for index in new.indexes:
            columns = {*index.fields, *(column.name for column in index.expressions)}
            if self.name in columns or self.name in str(index.condition):
                schema_editor.add_index(after, index)

    database_backwards = database_forwards

    def _rebuild(self, schema_editor: Any, model: Any) -> None:
        with keeping_triggers(schema_editor, model):
            schema_editor._remake_table(model)  # noqa: SLF001 - AddField and others use it


class AddColumn(migrations.AddField):
    """Add a column that is not null. On SQLite, do it without a rebuild of the table, of which one is enough.

    ``column`` is the column's type, constraint and default in SQLite's words.
    """

    def __init__(self, model_name: str, name: str, field: Any, column: str = "") -> None:
        super().__init__(model_name, name, field)
        self.column = column or f"varchar({field.max_length}) NOT NULL DEFAULT ''"

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if schema_editor.connection.vendor != "sqlite":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        table = to_state.apps.get_model(app_label, self.model_name)._meta.db_table  # noqa: SLF001
        schema_editor.execute(f'ALTER TABLE "{table}" ADD COLUMN "{self.name}" {self.column}', None)


class AddGenerated(migrations.AddField):
    """Add a generated column, and keep SQLite's triggers, which a rebuild of the table drops."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        with keeping_triggers(schema_editor, to_state.apps.get_model(app_label, self.model_name)):
            super().database_forwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        with keeping_triggers(schema_editor, to_state.apps.get_model(app_label, self.model_name)):
            super().database_backwards(app_label, schema_editor, from_state, to_state)


@contextmanager
def keeping_triggers(schema_editor: Any, model: Any) -> Iterator[None]:
    """Create the triggers of the table again that are gone at the end."""
    table = model._meta.db_table  # noqa: SLF001 - documented by Django
    before = triggers_of(schema_editor, table)
    yield
    kept = triggers_of(schema_editor, table)
    for trigger in before:
        if trigger not in kept:
            schema_editor.execute(trigger, None)


def triggers_of(schema_editor: Any, table: str) -> list[str]:
    """Return the statements that create the triggers of ``table`` on SQLite, and nothing elsewhere."""
    if schema_editor.connection.vendor != "sqlite":
        return []
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(
            "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = %s ORDER BY rowid", [table]
        )
        return [sql for (sql,) in cursor.fetchall()]
