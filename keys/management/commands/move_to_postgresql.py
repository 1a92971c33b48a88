"""Copy the embedded SQLite database to the PostgreSQL database of DATABASE_URL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections

from keys.management.database_copy import CannotCopyError, copy_all

SOURCE = "embedded"


class Command(BaseCommand):
    help = (
        "Copy all rows of the embedded SQLite database to the PostgreSQL database of DATABASE_URL, which "
        "must be migrated and empty, and compare them. The SQLite file is not changed. Stop the portal first."
    )

    def handle(self, *_: Any, **__: Any) -> None:
        path = settings.EMBEDDED_DATABASE
        if connections[DEFAULT_DB_ALIAS].vendor != "postgresql":
            raise CommandError("Set DATABASE_URL to the target PostgreSQL database.")
        if not path.is_file():
            raise CommandError(f"{path} does not exist. Set PORTAL_DATA_DIR to the folder of the database.")
        _configure_source(path)
        try:
            copied = copy_all(SOURCE, DEFAULT_DB_ALIAS)
        except (CannotCopyError, DatabaseError) as reason:
            raise CommandError(str(reason)) from reason
        finally:
            connections[SOURCE].close()
            del connections[SOURCE]
        for table, count in copied.items():
            self.stdout.write(f"{count:>12,}  {table}")
        self.stdout.write(
            f"All rows are the same in both databases. {path} is unchanged; keep it as a backup."
        )


def _configure_source(path: Path) -> None:
    """Configure the embedded database, read-only, under the alias ``SOURCE``."""
    options = {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{path.absolute().as_uri()}?mode=ro"}
    with_defaults = connections.configure_settings({DEFAULT_DB_ALIAS: options})
    connections.databases[SOURCE] = with_defaults[DEFAULT_DB_ALIAS]
