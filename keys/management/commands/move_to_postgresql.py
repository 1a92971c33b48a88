"""Move from the embedded SQLite database to the PostgreSQL database of DATABASE_URL."""

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
        "Copy all rows of the embedded SQLite database into the PostgreSQL database of DATABASE_URL, which "
        "has to be migrated and empty, and compare them. The SQLite file is only read. Stop the portal first."
    )

    def handle(self, *_: Any, **__: Any) -> None:
        path = settings.EMBEDDED_DATABASE
        if connections[DEFAULT_DB_ALIAS].vendor != "postgresql":
            raise CommandError("Set DATABASE_URL to the PostgreSQL database to move to.")
        if not path.is_file():
            raise CommandError(f"There is no {path}. Set PORTAL_DATA_DIR to its folder.")
        _describe(path)
        try:
            copied = copy_all(SOURCE, DEFAULT_DB_ALIAS)
        except (CannotCopyError, DatabaseError) as reason:
            raise CommandError(str(reason)) from reason
        finally:
            connections[SOURCE].close()
            del connections[SOURCE]
        for table, count in copied.items():
            self.stdout.write(f"{count:>12,}  {table}")
        self.stdout.write(f"All rows are the same in both. {path} is as it was: keep it as a backup.")


def _describe(path: Path) -> None:
    """The embedded database under the alias ``SOURCE``, to be read and not written."""
    described = {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{path.absolute().as_uri()}?mode=ro"}
    described_in_full = connections.configure_settings({DEFAULT_DB_ALIAS: described})
    connections.databases[SOURCE] = described_in_full[DEFAULT_DB_ALIAS]
