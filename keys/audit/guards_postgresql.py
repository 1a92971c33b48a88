"""Compare triggers, functions, constraints and permissions in PostgreSQL with the expected ones.

PostgreSQL shows definitions in its own words. To compare them, the expected ones are made on temporary copies
of the tables, read, and rolled back: once in each process.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from typing import Any

from django.db import DatabaseError, connection, transaction
from django.db.models import CheckConstraint, Model, UniqueConstraint

from keys.audit import guards_roles

ALLOWED = {
    # The columns that erasing a person clears are all that the portal may ever change in an event.
    "keys_auditevent": "SELECT, INSERT, UPDATE (actor_name, actor_email, ip, browser, personal, salt)",
    "keys_unsealed": "SELECT, INSERT, DELETE",  # the trigger that queues events runs as the portal's role
    "keys_sealed": "SELECT, INSERT",
    "keys_treenode": "SELECT, INSERT",
    "keys_treehead": "SELECT, INSERT, UPDATE",
    "keys_checkpoint": "SELECT, INSERT",
    "keys_macchain": "SELECT, INSERT, UPDATE",
    "keys_node": "SELECT, INSERT, UPDATE",  # only the owner may make a node forgotten
    "django_migrations": "SELECT",
}
"""What the portal's role may do with these tables (command audit_roles). It may do everything with others."""

_TRIGGERS = """
    SELECT c.relname, t.tgname, pg_get_triggerdef(t.oid), t.tgenabled::text, t.tgisinternal
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    WHERE c.relnamespace = {schema} AND c.relname ~ '^keys_'
"""
_CONSTRAINTS = """
    SELECT c.relname, o.conname, pg_get_constraintdef(o.oid), o.convalidated
    FROM pg_constraint o JOIN pg_class c ON c.oid = o.conrelid
    WHERE c.relnamespace = {schema} AND c.relname = ANY(%s)
"""
_FUNCTIONS = """
    SELECT p.proname, p.prosrc, l.lanname, p.prosecdef, p.proconfig IS NOT NULL
    FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
    WHERE p.pronamespace = {schema} AND p.proname ~ '^keys_'
"""
_TABLES = """
    SELECT c.relname, c.relkind::text, c.relrowsecurity OR c.relforcerowsecurity,
        (SELECT count(*) FROM pg_rewrite r WHERE r.ev_class = c.oid),
        (SELECT count(*) FROM pg_inherits i WHERE i.inhparent = c.oid OR i.inhrelid = c.oid),
        (SELECT count(*) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND a.attnotnull)
    FROM pg_class c
    WHERE c.relnamespace = {schema} AND c.relname ~ '^keys_' AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
"""
_LIMITS = """
    SELECT c.relname,
        (SELECT count(*) FROM pg_constraint o WHERE o.conrelid = c.oid AND o.contype IN ('c', 'x')),
        (SELECT count(*) FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique)
    FROM pg_class c WHERE c.relnamespace = {schema} AND c.relname = ANY(%s)
"""
_GRANTS = """
    SELECT c.relname, 'a role', g.privilege_type FROM pg_class c, aclexplode(c.relacl) g
    WHERE c.relnamespace = {schema} AND c.relname = ANY(%s) AND g.grantee <> c.relowner
    UNION
    SELECT c.relname, a.attname, g.privilege_type FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid,
        aclexplode(a.attacl) g
    WHERE c.relnamespace = {schema} AND c.relname = ANY(%s) AND g.grantee <> c.relowner
"""
_SETTINGS = """
    SELECT current_setting('session_replication_role') UNION ALL
    SELECT split_part(s, '=', 2) FROM pg_db_role_setting, unnest(setconfig) s
    WHERE s LIKE 'session_replication_role=%%'
"""
_HERE, _TEMPORARY = "current_schema()::regnamespace", "pg_my_temp_schema()"

Definitions = dict[tuple[str, str], str]


def broken(models: Sequence[type[Model]], statements: tuple[str, ...]) -> Iterator[str]:
    tables = [model._meta.db_table for model in models]  # noqa: SLF001 - Django's own name for it
    try:
        triggers, constraints = _expected(tuple(models), statements)
    except DatabaseError as error:
        yield f"the guards of the tables could not be read ({type(error).__name__})"
        return
    rows = _rows(_TRIGGERS.format(schema=_HERE))
    found = {(table, name): _plain(sql) for table, name, sql, _, internal in rows if not internal}
    yield from _differences("trigger", triggers, found)
    for table, name, _, enabled, internal in rows:
        if enabled != "O" and (not internal or table in tables):
            yield f"trigger {name} on {table} is disabled"
    existing = _rows(_CONSTRAINTS.format(schema=_HERE), tables)
    checks = {(table, name): sql for table, name, sql, valid in existing if valid}
    named = {key: sql for key, sql in checks.items() if key in constraints}
    yield from _differences("constraint", constraints, named)
    if sum(sql.startswith("FOREIGN KEY") for sql in checks.values()) < _references(models):
        yield "a reference to keys_auditevent is missing"
    yield from _functions(statements)
    yield from _tables(models)
    yield from _limits(models)
    yield from _grants([*ALLOWED])
    yield from guards_roles.excess_rights([*ALLOWED])
    if {role for (role,) in _rows(_SETTINGS)} - {"origin"}:
        yield "session_replication_role turns the triggers off"


def _differences(what: str, expected: Definitions, found: Definitions) -> Iterator[str]:
    for table, name in expected.keys() | found.keys():
        key = (table, name)
        if key not in found:
            yield f"{what} {name} is missing"
        elif key not in expected:
            yield f"{what} {name} on {table} is not the portal's"
        elif expected[key] != found[key]:
            yield f"{what} {name} was changed"


@functools.cache
def _expected(
    models: tuple[type[Model], ...], statements: tuple[str, ...]
) -> tuple[Definitions, Definitions]:
    """Return the triggers of the migrations and the constraints of the models, as PostgreSQL shows them."""
    made = dict[str, str]()
    for each in re.findall(r"CREATE TRIGGER .*?EXECUTE FUNCTION \w+\(\)", " ".join(statements), re.DOTALL):
        made[each.split()[2]] = each
    tables = {re.search(r" ON (keys_\w+)", each)[1] for each in made.values()}  # type: ignore[index]
    editor: Any = connection.SchemaEditorClass(connection, collect_sql=True)
    with transaction.atomic(), connection.cursor() as cursor:
        for table in tables | {model._meta.db_table for model in models}:  # noqa: SLF001
            cursor.execute(f"CREATE TEMPORARY TABLE {table} (LIKE {_schema()}.{table})")
        for each in made.values():
            cursor.execute(each)
        for model in models:
            for constraint in model._meta.constraints:  # noqa: SLF001
                sql = str(constraint.constraint_sql(model, editor))
                cursor.execute(f"ALTER TABLE {model._meta.db_table} ADD {sql}")  # noqa: SLF001
        triggers = _rows(_TRIGGERS.format(schema=_TEMPORARY))
        names = [model._meta.db_table for model in models]  # noqa: SLF001
        constraints = _rows(_CONSTRAINTS.format(schema=_TEMPORARY), names)
        transaction.set_rollback(True)
    return (
        {(table, name): _plain(sql) for table, name, sql, *_ in triggers},
        {(table, name): sql for table, name, sql, _ in constraints},
    )


def _schema() -> str:
    [(schema,)] = _rows("SELECT quote_ident(current_schema())")
    return str(schema)


def _plain(definition: str) -> str:
    return re.sub(r" ON \S+\.", " ON ", definition, count=1)


def _references(models: Sequence[type[Model]]) -> int:
    return sum(
        field.is_relation
        for model in models
        for field in model._meta.local_concrete_fields  # noqa: SLF001
    )


def _functions(statements: Sequence[str]) -> Iterator[str]:
    pattern = r"CREATE (?:OR REPLACE )?FUNCTION (\w+)\([^)]*\).*?AS \$\$(.*?)\$\$"
    expected = dict(re.findall(pattern, "\n".join(statements), re.DOTALL))
    found = {name: rest for name, *rest in _rows(_FUNCTIONS.format(schema=_HERE))}
    for name, body in expected.items():
        if name not in found:
            yield f"function {name} is missing"
            continue
        source, language, as_owner, configured = found[name]
        if source != body or language not in {"plpgsql", "sql"} or as_owner or configured:
            yield f"function {name} was changed"


def _tables(models: Sequence[type[Model]]) -> Iterator[str]:
    """Check all tables: a rule on that of the verifications, say, throws their results away."""
    found = {name: rest for name, *rest in _rows(_TABLES.format(schema=_HERE))}
    for name, (kind, policies, rules, inherited, _) in found.items():
        if kind != "r" or rules or inherited:
            yield f"table {name} was replaced by a view, or has rules or children"
        if policies:
            yield f"table {name} has row-level security"
    for model in models:
        name = model._meta.db_table  # noqa: SLF001
        if name not in found:
            yield f"table {name} is missing"
        elif found[name][-1] != sum(not field.null for field in model._meta.local_concrete_fields):  # noqa: SLF001
            yield f"table {name} allows other columns to be empty"


def _limits(models: Sequence[type[Model]]) -> Iterator[str]:
    """Yield the tables with more, or fewer, constraints: another one refuses the events that it names."""
    names = [model._meta.db_table for model in models]  # noqa: SLF001
    found = {name: tuple(rest) for name, *rest in _rows(_LIMITS.format(schema=_HERE), names)}
    for model in models:
        meta = model._meta  # noqa: SLF001
        fields = meta.local_concrete_fields
        checks = sum(isinstance(each, CheckConstraint) for each in meta.constraints)
        unique = sum(isinstance(each, UniqueConstraint) for each in meta.constraints)
        has_key = not any(field.primary_key for field in fields)  # of several columns
        expected = (
            checks + sum(field.db_check(connection) is not None for field in fields),
            unique + has_key + sum(field.unique for field in fields),
        )
        if meta.db_table in found and found[meta.db_table] != expected:
            yield f"table {meta.db_table} has another number of constraints"


def _grants(tables: list[str]) -> Iterator[str]:
    """Yield the permissions to change the log that a role other than the owner has, beyond ``ALLOWED``."""
    for table, what, privilege in _rows(_GRANTS.format(schema=_HERE), tables, tables):
        whole, _, columns = ALLOWED[table].partition("UPDATE (")
        allowed = {*re.findall(r"\w+", whole), "REFERENCES"}
        is_column = what != "a role"
        if privilege in allowed or (
            is_column and privilege == "UPDATE" and what in columns.rstrip(")").split(", ")
        ):
            continue
        yield f"a role may {privilege} {f'{what} of ' if is_column else ''}{table}"


def _rows(sql: str, *values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall())
