"""Give the portal a PostgreSQL role that can add to the audit log, and neither change nor remove it."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

ALLOWED = {
    # What erasing a person blanks is all of an event that the portal may ever change.
    "keys_auditevent": ("SELECT, INSERT, UPDATE (actor_name, actor_email, ip, browser, personal, salt)"),
    "keys_unsealed": "SELECT, INSERT, DELETE",  # the trigger that queues an event writes as the portal
    "keys_sealed": "SELECT, INSERT",
    "keys_treenode": "SELECT, INSERT",
    "keys_treehead": "SELECT, INSERT, UPDATE",
    "keys_checkpoint": "SELECT, INSERT",
    "django_migrations": "SELECT",
}
"""On every other table the portal may read and write rows."""


class Command(BaseCommand):
    help = (
        "On PostgreSQL: make a role for the portal to sign in as, which owns nothing. It may add to the "
        "audit log, and neither change nor remove events, nor drop the triggers that refuse it. Run it as "
        "the role that owns the tables, after each migrate; run the portal itself as the new role."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--app", default="portal_app", help="the role's name (portal_app)")

    def handle(self, *_: Any, app: str, **__: Any) -> None:
        if connection.vendor != "postgresql":
            raise CommandError("SQLite has no roles: whoever can write the file can do everything with it.")
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT current_user, current_schema()")
            owner, schema = cursor.fetchone()
            if owner == app:
                raise CommandError(f"{app} is signed in, and owns the tables. Run this as their owner.")
            cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [app])
            is_new = cursor.fetchone() is None
            if is_new and not _may_make_roles(cursor):
                raise CommandError(
                    f"There is no role {app}, and {owner} may not make one. As a superuser, run "
                    f"`createuser {app} --pwprompt`; then run this again."
                )
            for statement in _statements(_quoted(app), _quoted(schema), is_new=is_new):
                cursor.execute(statement)
        self.stdout.write(
            f"{app} may now read and write, and only add to the audit log. {owner} owns it all."
        )
        if is_new:
            self.stdout.write(f"Give it a password: psql -c '\\password {app}'")


def _may_make_roles(cursor: CursorWrapper) -> bool:
    cursor.execute("SELECT rolcreaterole OR rolsuper FROM pg_roles WHERE rolname = current_user")
    return bool(cursor.fetchone()[0])


def _statements(app: str, schema: str, *, is_new: bool) -> list[str]:
    return [
        *([f"CREATE ROLE {app} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE"] if is_new else []),
        f"GRANT USAGE ON SCHEMA {schema} TO {app}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {app}",
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {app}",
        *(f"REVOKE ALL ON {table} FROM {app}" for table in ALLOWED),
        *(f"GRANT {what} ON {table} TO {app}" for table, what in ALLOWED.items()),
    ]


def _quoted(name: str) -> str:
    return str(connection.ops.quote_name(name))
