"""The portal's PostgreSQL role: the portal works with it and cannot change the log."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import environ
import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import (
    DEFAULT_DB_ALIAS,
    DatabaseError,
    IntegrityError,
    connection,
    connections,
    transaction,
)
from django.db.utils import ConnectionHandler

from keys.actions.people.erase import erase_person
from keys.audit import chain, log
from keys.audit.guards import broken_guards
from keys.audit.signer import sign
from keys.jobs.sealing import seal_all
from keys.models import AuditEvent, Checkpoint, User
from keys.rules.events import Event
from tests import cast as people
from tests.cast import a_key
from tests.support.cases import in_one_test
from tests.support.postgresql_server import serving
from tests.support.sealed_log import add_events, is_whole, let_the_lease_end

ME = uuid.UUID(int=1)
REFUSED = r"permission denied|must be owner"
LOG = ("auditevent", "unsealed", "sealed", "treenode", "treehead", "checkpoint")


@contextmanager
def signed_in(url: str) -> Iterator[None]:
    """Use the PostgreSQL at ``url`` as the portal's database in this thread."""
    usual = connections[DEFAULT_DB_ALIAS]
    settings = {**environ.Env.db_url_config(url), "CONN_MAX_AGE": None}
    connections[DEFAULT_DB_ALIAS] = ConnectionHandler({DEFAULT_DB_ALIAS: settings})[DEFAULT_DB_ALIAS]
    try:
        yield
    finally:
        connections[DEFAULT_DB_ALIAS].close()
        connections[DEFAULT_DB_ALIAS] = usual


@pytest.fixture(scope="module")
def address(django_db_blocker) -> Iterator[str]:
    """Return the URL of a migrated database with all roles, for the portal's role."""
    with serving() as server:
        with django_db_blocker.unblock(), signed_in(server.url("postgres")):
            call_command("migrate", verbosity=0)
            told = io.StringIO()
            call_command("audit_roles", stdout=told)
            assert "\\password portal_app" in told.getvalue()
            call_command("audit_roles", stdout=told)  # a second run, as after each migration
        yield server.url("postgres").replace("portal@", "portal_app@")


def test_an_owner_without_the_right_to_create_roles_is_told_who_has_it(address, django_db_blocker):
    with psycopg.connect(address.replace("portal_app@", "portal@"), autocommit=True) as superuser:
        superuser.execute("CREATE ROLE tables_only LOGIN")
    refused = pytest.raises(
        CommandError, match=r"The role other does not exist, and tables_only may not create it\. As a super"
    )
    with django_db_blocker.unblock(), signed_in(address.replace("portal_app@", "tables_only@")), refused:
        call_command("audit_roles", app="other")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Return the folder with the MAC chain of the module's database."""
    return tmp_path_factory.mktemp("audit")


@pytest.fixture
def as_the_portal(address, folder, audit_files, settings, django_db_blocker) -> Iterator[None]:
    settings.PORTAL_AUDIT_DIR = folder
    with django_db_blocker.unblock(), signed_in(address):
        chain.start_new()
        yield


def test_the_portal_works_with_the_role(as_the_portal):
    assert broken_guards() == []
    person = User.objects.create(email="ada@contenzilla.example", name="Ada", cerby_id=uuid.uuid4(), role=40)
    key = a_key(person)
    log.append(Event.KEY_CALLED, actor=people.actor(person), key=key)
    add_events(300)
    let_the_lease_end()
    seal_all(ME)
    assert sign() is not None
    is_whole()
    key.delete()
    erase_person(None, person.email)
    assert AuditEvent.objects.get(type="key:call").actor_email == ""
    seal_all(ME)
    is_whole()
    assert Checkpoint.objects.exists()


@in_one_test("table", LOG)
@in_one_test(
    "sql",
    [
        "TRUNCATE {} CASCADE",
        "DROP TABLE {} CASCADE",
        "ALTER TABLE {} DISABLE TRIGGER ALL",
        "ALTER TABLE {} OWNER TO portal_app",
        "CREATE TRIGGER mine BEFORE INSERT ON {} FOR EACH ROW EXECUTE FUNCTION keys_audit_queue()",
        "CREATE RULE nothing AS ON INSERT TO {} DO INSTEAD NOTHING",
    ],
)
def test_the_role_may_not_change_tables(as_the_portal, table, sql):
    with pytest.raises(DatabaseError, match=REFUSED), transaction.atomic():
        run(sql.format(f"keys_{table}"))


@in_one_test(
    "sql",
    [
        "DELETE FROM keys_auditevent",
        "UPDATE keys_auditevent SET reason = 'Nothing happened.'",
        "UPDATE keys_auditevent SET leaf = ''",
        "DELETE FROM keys_sealed",
        "UPDATE keys_sealed SET leaf_hash = ''",
        "DELETE FROM keys_treenode",
        "UPDATE keys_treenode SET hash = ''",
        "DELETE FROM keys_treehead",
        "DELETE FROM keys_checkpoint",
        "UPDATE keys_checkpoint SET note = ''",
        "UPDATE keys_unsealed SET event_id = 1",
        "DROP TRIGGER keys_auditevent_no_update ON keys_auditevent",
        "DROP FUNCTION keys_audit_refuse() CASCADE",
        "CREATE OR REPLACE FUNCTION keys_audit_refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "SET session_replication_role = replica",
        "SET ROLE portal",
        "DELETE FROM django_migrations",
    ],
)
def test_the_role_may_not_change_the_log(as_the_portal, sql):
    with pytest.raises(DatabaseError, match=REFUSED), transaction.atomic():
        run(sql)


def test_triggers_apply_to_the_role(as_the_portal):
    add_events(2)
    let_the_lease_end()
    seal_all(ME)
    add_events(2)
    for sql in (
        "UPDATE keys_auditevent SET actor_name = 'Somebody else'",
        "DELETE FROM keys_unsealed",
        "UPDATE keys_treehead SET size = size - 1",
    ):
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            run(sql)


def test_the_role_does_not_own_the_tables(address):
    with psycopg.connect(address) as portal:
        (name,) = portal.execute("SELECT current_user").fetchone()
        owners = portal.execute("SELECT DISTINCT tableowner FROM pg_tables WHERE tablename LIKE 'keys_%'")
        assert (name, owners.fetchall()) == ("portal_app", [("portal",)])


def test_the_role_is_not_created_automatically(as_the_portal):
    with pytest.raises(CommandError, match="as the owner of the tables"):
        call_command("audit_roles")


def run(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


def test_sqlite_has_no_roles():
    with pytest.raises(CommandError, match="SQLite has no roles"):
        call_command("audit_roles")
