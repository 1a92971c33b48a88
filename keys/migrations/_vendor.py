"""Run SQL on one kind of database only, so that a migration lists SQLite's and PostgreSQL's side by side."""

from __future__ import annotations

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
