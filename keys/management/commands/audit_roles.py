"""Create a PostgreSQL role that can add to the audit log, but neither change nor delete events."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from keys.audit.guards_postgresql import ALLOWED


class Command(BaseCommand):
    help = (
        "On PostgreSQL: create a role for the portal that owns nothing. It may add to the audit log, but "
        "neither change nor delete events, nor drop the triggers that prevent this. Run this command as "
        "the role that owns the tables, after each migrate. Run the portal itself as the new role."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--app", default="portal_app", help="the role's name (default: portal_app)")

    def handle(self, *_: Any, app: str, **__: Any) -> None:
        if connection.vendor != "postgresql":
            raise CommandError("SQLite has no roles: anyone who can write to the file can change everything.")
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT current_user, current_schema()")
            owner, schema = cursor.fetchone()
            if owner == app:
                raise CommandError(f"You are connected as {app}. Connect as the owner of the tables.")
            cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [app])
            is_new = cursor.fetchone() is None
            if is_new and not _may_create_roles(cursor):
                raise CommandError(
                    f"The role {app} does not exist, and {owner} may not create it. As a superuser, run "
                    f"`createuser {app} --pwprompt`; then run this again."
                )
            for statement in _statements(_quoted(app), _quoted(schema), is_new=is_new):
                cursor.execute(statement)
        self.stdout.write(
            f"{app} may now read and write, but only add to the audit log. {owner} owns all tables."
        )
        if is_new:
            self.stdout.write(f"Set its password: psql -c '\\password {app}'")


def _may_create_roles(cursor: CursorWrapper) -> bool:
    cursor.execute("SELECT rolcreaterole OR rolsuper FROM pg_roles WHERE rolname = current_user")
    return bool(cursor.fetchone()[0])


def _statements(app: str, schema: str, *, is_new: bool) -> list[str]:
    return [
        *([f"CREATE ROLE {app} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE"] if is_new else []),
        f"REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC, {app}",
        f"GRANT USAGE ON SCHEMA {schema} TO {app}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {app}",
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {app}",
        *(f"REVOKE ALL ON {table} FROM {app}" for table in ALLOWED),
        *(f"GRANT {privileges} ON {table} TO {app}" for table, privileges in ALLOWED.items()),
    ]


def _quoted(name: str) -> str:
    return str(connection.ops.quote_name(name))
