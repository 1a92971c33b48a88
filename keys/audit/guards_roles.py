"""Find PostgreSQL roles and settings that let a role do more than ``audit_roles`` allows.

If the portal connects as the owner of the tables, which may do everything anyway, only the settings and the
roles that may act as the owner are compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import settings
from django.db import connection

POWERFUL = (
    *("pg_write_all_data", "pg_maintain", "pg_execute_server_program", "pg_write_server_files"),
    *("pg_read_server_files", "pg_signal_backend", "pg_create_subscription"),
)
"""Roles that come with PostgreSQL and may do more than read tables."""
HARMFUL_SETTINGS = ("role", "session_preload_libraries", "local_preload_libraries", "event_triggers")
"""Settings of a role or database that change who the portal is, or what runs in its sessions."""

SET_OPTION_SINCE = 160_000
"""The version of PostgreSQL from which a membership can be without SET ROLE."""

_LOG = """
    log AS (SELECT c.relowner AS owner, c.relnamespace AS schema FROM pg_class c
        WHERE c.relnamespace = current_schema()::regnamespace AND c.relname = 'keys_auditevent')
"""
# Roles that may do more with the log than read it, and the role of this connection.
_WRITERS = f"""
    WITH {_LOG}, writers AS (
        SELECT g.grantee AS oid FROM log, pg_class c, aclexplode(c.relacl) g
        WHERE c.relnamespace = log.schema AND c.relname = ANY(%s) AND g.privilege_type <> 'SELECT'
        UNION SELECT r.oid FROM pg_roles r WHERE r.rolname = current_user
    )
    SELECT r.oid, r.rolname FROM pg_roles r, log
    WHERE r.oid IN (SELECT oid FROM writers) AND r.oid <> log.owner
"""  # noqa: S608 - no value is put into it
_RIGHTS = f"""
    WITH {_LOG}
    SELECT r.rolname, r.rolsuper OR r.rolcreaterole OR r.rolbypassrls OR r.rolreplication,
        pg_has_role(r.oid, log.owner, 'MEMBER'), has_schema_privilege(r.oid, log.schema, 'CREATE'),
        has_database_privilege(r.oid, current_database(), 'CREATE'),
        ARRAY(SELECT p.rolname::text FROM pg_roles p
            WHERE p.rolname = ANY(%s) AND pg_has_role(r.oid, p.oid, 'MEMBER'))
    FROM pg_roles r, log WHERE r.oid = ANY(%s)
"""  # noqa: S608
# Roles that may act as the owner or one of the writers, and how: they have its rights, may change to it with
# SET ROLE, or may grant it to themselves. Before PostgreSQL 16, CREATEROLE was enough to grant any role.
# Superusers may do everything anyway.
_MEMBERS = f"""
    WITH {_LOG}, targets AS (
        SELECT r.oid, r.rolname, r.oid = log.owner AS is_owner FROM pg_roles r, log
        WHERE r.oid = log.owner OR r.oid = ANY(%s)
    )
    SELECT m.rolname, t.rolname, t.is_owner,
        CASE WHEN pg_has_role(m.oid, t.oid, 'USAGE') THEN 'has its rights'
             WHEN pg_has_role(m.oid, t.oid, %s) THEN 'SET ROLE'
             ELSE 'may grant itself the role' END
    FROM pg_roles m, targets t
    WHERE NOT m.rolsuper AND m.oid NOT IN (SELECT oid FROM targets) AND m.rolname <> ALL(%s)
        AND (pg_has_role(m.oid, t.oid, 'MEMBER') OR (%s AND m.rolcreaterole))
    ORDER BY m.rolname, NOT t.is_owner, t.rolname
"""  # noqa: S608
# The owner of a schema may drop everything in it. That of the schema "public" is usually the database's.
_SCHEMA_OWNERS = f"""
    WITH {_LOG}
    SELECT DISTINCT r.rolname FROM log, pg_namespace n, pg_database d, pg_roles r
    WHERE n.oid = log.schema AND d.datname = current_database() AND NOT r.rolsuper AND r.oid <> log.owner
        AND r.oid IN (n.nspowner, d.datdba) AND r.rolname <> 'pg_database_owner' AND r.rolname <> ALL(%s)
"""  # noqa: S608
_OWNERS = f"""
    WITH {_LOG}
    SELECT c.relname FROM pg_class c, log
    WHERE c.relnamespace = log.schema AND c.relname ~ '^(keys_|django_migrations)'
        AND c.relkind IN ('r', 'p', 'S') AND c.relowner <> log.owner
    UNION ALL
    SELECT p.proname FROM pg_proc p, log
    WHERE p.pronamespace = log.schema AND p.proname ~ '^keys_' AND p.proowner <> log.owner
"""  # noqa: S608
_BORROWED = f"""
    WITH {_LOG}
    SELECT p.proname FROM pg_proc p, log WHERE p.prosecdef AND p.proowner = log.owner
        AND p.pronamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
"""  # noqa: S608
_DEFAULTS = f"""
    WITH {_LOG}
    SELECT DISTINCT g.privilege_type FROM log, pg_default_acl d, aclexplode(d.defaclacl) g
    WHERE d.defaclobjtype = 'r' AND d.defaclnamespace IN (0, log.schema) AND d.defaclrole = log.owner
        AND g.grantee <> log.owner AND g.privilege_type NOT IN ('SELECT', 'REFERENCES')
"""  # noqa: S608
_SETTINGS = """
    SELECT split_part(s, '=', 1), substr(s, strpos(s, '=') + 1)
    FROM pg_db_role_setting, unnest(setconfig) s
    WHERE setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
"""


def excess_rights(tables: Sequence[str]) -> Iterator[str]:
    """Yield the rights that are too much. ``tables``: the tables of the log."""
    yield from (f"{name} has another owner" for (name,) in _rows(_OWNERS))
    yield from _settings()
    writers = dict(_rows(_WRITERS, list(tables)))
    yield from _members(list(writers))
    if not writers:
        return
    yield from _too_much(list(writers))
    [(current,)] = _rows("SELECT current_user")
    others = sorted(set(writers.values()) - {current})
    if len(writers) > 1:
        yield from (f"another role, {name}, may write to the log" for name in others)
    yield from (f"function {name} acts with the owner's rights" for (name,) in _rows(_BORROWED))
    yield from (f"new tables give a role the right to {right}" for (right,) in _rows(_DEFAULTS))


def _members(writers: list[int]) -> Iterator[str]:
    """Yield each role that may act as the owner or as a writer, unless PORTAL_DATABASE_ADMINS names it.

    A role that may act as the owner is named once, even if it may act as a writer as well.
    """
    is_new = connection.pg_version >= SET_OPTION_SINCE  # type: ignore[attr-defined]
    seen = set[str]()
    admins = list(settings.PORTAL_DATABASE_ADMINS)
    for (name,) in _rows(_SCHEMA_OWNERS, admins):
        yield f"the database or its schema belongs to another role, {name}"
    for member, role, is_owner, how in _rows(
        _MEMBERS, writers, "SET" if is_new else "MEMBER", admins, not is_new
    ):
        if member not in seen:
            whom = "the owner of the tables" if is_owner else role
            yield f"another role, {member}, may act as {whom} ({how})"
        if is_owner:
            seen.add(member)


def _too_much(roles: list[int]) -> Iterator[str]:
    for name, special, as_owner, in_schema, in_database, powerful in _rows(_RIGHTS, list(POWERFUL), roles):
        if special:
            yield f"the role {name} is a superuser, may create roles, bypass row security or replicate"
            continue  # it may do all the rest as well
        if as_owner:
            yield f"the role {name} may act as the owner of the tables"
        if in_schema:
            yield f"the role {name} may create objects in the schema"
        if in_database:
            yield f"the role {name} may create schemas in the database"
        yield from (f"the role {name} is a member of {each}" for each in powerful)


def _settings() -> Iterator[str]:
    [(schema,)] = _rows("SELECT current_schema()")
    for name, value in _rows(_SETTINGS):
        if name in HARMFUL_SETTINGS:
            yield f"the setting {name} of a role or the database was changed"
        if name == "search_path":
            parts = {part.strip().strip('"') for part in value.split(",")}
            if not parts <= {schema, "$user", "public"}:
                yield "the setting search_path of a role or the database was changed"


def _rows(sql: str, *values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall())
