"""Test the move from SQLite to PostgreSQL: either all rows arrive, or none and an error explains why."""

from __future__ import annotations

import hashlib
import uuid
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from keys.audit import log
from keys.audit.signer import sign
from keys.jobs.schedule import enqueue_due, make_rows
from keys.jobs.sealing import seal_all
from keys.management import database_copy
from keys.models import (
    ApiKey,
    AuditEvent,
    Checkpoint,
    KeyScope,
    PeriodicJob,
    RevealGrant,
    Sealed,
    SearchDocument,
    Session,
    TreeHead,
    Unsealed,
    User,
)
from keys.rules.events import Event
from keys.rules.lifecycle import State
from keys.selectors.inventory.search import containing
from tests.cast import MEMBERS, a_key, people_in_portal, signed_in
from tests.support import own_database
from tests.support.own_database import Address
from tests.support.sealed_log import is_whole


@pytest.fixture
def source(sqlite_address: Path, django_db_blocker: Any, settings: Any, audit_files: Path) -> Path:
    """Create an embedded database with rows in each table."""
    settings.EMBEDDED_DATABASE = sqlite_address
    with django_db_blocker.unblock(), own_database.using(sqlite_address):
        cast = people_in_portal({name: str(uuid.uuid4()) for name in MEMBERS})
        signed_in(cast.admin)
        key = a_key(
            cast.admin, name="Übung", scopes=["read:users", "read:items"], last_used_at=timezone.now()
        )
        a_key(cast.owner, state=State.READY, fingerprint=b"\x00\xff" * 16, pepper_id="p1")
        RevealGrant.objects.create(
            key=key, user=cast.admin, sealed=b"\x00sealed", thumbprint="t", expires_at=timezone.now()
        )
        for number in range(5):
            log.append(
                Event.KEY_REQUESTED, actor=None, key=key, scopes=["read:users"], purpose=f"No. {number} “ü”"
            )
        seal_all(uuid.UUID(int=1))
        sign()
        log.append(Event.KEY_CALLED, actor=None, key=key)  # waits to be sealed
        make_rows()
        enqueue_due()
    return sqlite_address


@pytest.fixture
def target(postgresql_address: str, django_db_blocker: Any) -> str:
    return postgresql_address


def move(target: Address) -> str:
    said = StringIO()
    with own_database.using(target):
        call_command("move_to_postgresql", stdout=said)
    return said.getvalue()


MODELS = (User, ApiKey, RevealGrant, AuditEvent, Unsealed, Sealed, Checkpoint, TreeHead, PeriodicJob, Session)


def everything(address: Address) -> list[list[Any]]:
    with own_database.using(address):
        return [list(model._default_manager.order_by("pk").values()) for model in MODELS]


@pytest.fixture(autouse=True)
def _with_databases(django_db_blocker: Any):
    with django_db_blocker.unblock():
        yield


def test_every_row_arrives_and_the_file_is_unchanged(source, target):
    before, digest = everything(source), hashlib.sha256(source.read_bytes()).digest()
    said = move(target)
    assert "6  keys_auditevent" in said
    assert everything(target) == before == everything(source)
    assert hashlib.sha256(source.read_bytes()).digest() == digest


def test_rows_of_triggers_exist_and_numbering_continues(source, target):
    move(target)
    with own_database.using(target):
        [key] = ApiKey.objects.filter(containing("ÜBUNG").found)
        assert set(KeyScope.objects.filter(key=key).values_list("scope", flat=True)) == set(key.scopes)
        assert SearchDocument.objects.count() == 2
        last = max(AuditEvent.objects.values_list("pk", flat=True))
        log.append(Event.KEY_CALLED, actor=None, key=key)
        assert AuditEvent.objects.latest("pk").pk == last + 1
        a_key(User.objects.first(), scopes=["read:users"])
        seal_all(uuid.UUID(int=1))
        is_whole()


@pytest.mark.parametrize("chunk", [1, 3])
def test_it_reads_in_chunks(source, target, monkeypatch, chunk):
    monkeypatch.setattr(database_copy, "CHUNK", chunk)
    before = everything(source)
    move(target)
    assert everything(target) == before


def test_a_database_that_contains_rows_is_refused(source, target):
    with own_database.using(target):
        make_rows()
    before = everything(target)
    with pytest.raises(CommandError, match="not empty: there are rows in keys_periodicjob"):
        move(target)
    assert everything(target) == before


def test_another_version_is_refused(source, target):
    with own_database.using(target), connection.cursor() as cursor:
        cursor.execute("UPDATE django_migrations SET name = name || 'x' WHERE app = 'contenttypes'")
    try:
        with pytest.raises(CommandError, match="have different versions"):
            move(target)
    finally:
        with own_database.using(target), connection.cursor() as cursor:
            cursor.execute("UPDATE django_migrations SET name = rtrim(name, 'x') WHERE app = 'contenttypes'")


@pytest.mark.parametrize("what", ["a row is lost", "a value is changed", "somebody writes"])
def test_if_anything_differs_nothing_is_copied(source, target, monkeypatch, what):
    """Each case must make the comparison fail."""
    harm = {
        "a row is lost": (target, "DELETE FROM keys_periodicjob WHERE name = 'sweep'"),
        "a value is changed": (target, "UPDATE keys_user SET name = 'Ada' WHERE role = 10"),
        "somebody writes": (source, "UPDATE keys_user SET name = 'Ada' WHERE role = 10"),
    }
    address, statement = harm[what]

    def and_then(*arguments: Any) -> None:
        numbered(*arguments)
        if address == target:
            with connection.cursor() as cursor:
                cursor.execute(statement)
        else:
            own_database.write(address, statement)

    numbered = database_copy._continue_numbering
    monkeypatch.setattr(database_copy, "_continue_numbering", and_then)
    with pytest.raises(CommandError, match="Nothing was copied"):
        move(target)
    assert everything(target) == [[] for _ in MODELS]


def test_without_a_postgresql_database_or_an_sqlite_file_it_names_the_setting(source, target, settings):
    with pytest.raises(CommandError, match="Set DATABASE_URL"):
        move(source)
    settings.EMBEDDED_DATABASE = source.with_name("nothing.sqlite3")
    with pytest.raises(CommandError, match="Set PORTAL_DATA_DIR"):
        move(target)
