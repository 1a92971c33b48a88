"""Test where sessions are stored: under a hash of their id, and never again after their end."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module

import pytest
from django.apps import apps
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.contrib.sessions.exceptions import SessionInterrupted
from django.db import connection
from django.utils import timezone

from keys.models import Session, SessionStore
from keys.models.session import hash_of

migration = import_module("keys.migrations.0028_sessions")


@pytest.fixture
def stored(cast) -> SessionStore:
    session = SessionStore()
    session[SESSION_KEY] = str(cast.user.pk)
    session.create()
    return SessionStore(session.session_key)


def test_a_row_does_not_let_its_reader_in(cast, stored):
    assert stored[SESSION_KEY] == str(cast.user.pk)
    row = Session.objects.get(user=cast.user)
    assert row.pk == hash_of(stored.session_key)
    assert SessionStore(row.pk).load() == {}
    assert not SessionStore().exists(row.pk)
    assert SessionStore().exists(stored.session_key)


def test_a_session_gets_a_new_id_and_its_old_one_is_worthless(cast, stored):
    old, _ = stored.session_key, stored.load()
    stored.cycle_key()
    stored.save()
    assert SessionStore(old).load() == {}
    assert SessionStore(stored.session_key)[SESSION_KEY] == str(cast.user.pk)
    assert Session.objects.count() == 1


def test_an_ended_session_does_not_come_back_under_a_new_id(stored):
    stored.get(SESSION_KEY)  # read before the end
    Session.objects.all().delete()
    with pytest.raises(SessionInterrupted):
        stored.cycle_key()
    assert Session.objects.count() == 0


def test_djangos_own_engine_would_bring_it_back(stored):
    """The known-bad control."""
    stored.get(SESSION_KEY)
    Session.objects.all().delete()
    DatabaseStore.cycle_key(stored)
    stored.save()
    assert SessionStore(stored.session_key).get(SESSION_KEY) is not None


def test_the_upgrade_signs_nobody_out(committed_cast):
    """The table of django.contrib.sessions is replaced, and its rows are kept."""
    user, expires = committed_cast.user, timezone.now() + timedelta(minutes=5)
    rows = [("a" * 32, {SESSION_KEY: str(user.pk)}), ("b" * 32, {})]
    moment = "datetime" if connection.vendor == "sqlite" else "timestamptz"
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE django_session")
        columns = f"session_key varchar(40) PRIMARY KEY, session_data text, expire_date {moment}"
        cursor.execute(f"CREATE TABLE django_session ({columns})")
        for key, data in rows:
            row = (key, SessionStore().encode(data), expires)
            cursor.execute("INSERT INTO django_session VALUES (%s, %s, %s)", row)
    with connection.schema_editor() as editor:
        migration.replace_table(apps, editor)
    assert [SessionStore(key).load() for key, _ in rows] == [data for _, data in rows]
    assert {row.user_id for row in Session.objects.all()} == {user.pk, None}
    assert Session.objects.get(user=user).expire_date == expires
