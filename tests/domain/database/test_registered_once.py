"""Test the migration that lets the database refuse a second registration of a key."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.db import connection

from keys.models import ApiKey
from keys.rules.lifecycle import State
from tests.cast import MEMBERS, a_key, people_in_portal

migration = import_module("keys.migrations.0019_registered_once")
BY_HAND: dict[str, Any] = {"cerby_id": None, "origin": "declared", "name": "Nightly"}


def migrate(step: Any) -> None:
    step(apps, SimpleNamespace(connection=connection, execute=lambda _: None))


@pytest.mark.usefixtures("database")
def test_a_database_with_keys_is_migrated_in_one_transaction():
    """PostgreSQL creates no index on a table with pending events of triggers."""
    cast = people_in_portal({name: str(uuid.uuid4()) for name in MEMBERS})
    for number in range(3):
        a_key(cast.admin, **BY_HAND | {"name": f"Key {number % 2}"})
    constraint = next(one for one in ApiKey._meta.constraints if one.name == "key_registered_once")
    with connection.schema_editor() as editor:
        editor.remove_constraint(ApiKey, constraint)
    with connection.schema_editor(atomic=True) as editor:
        migration.hold_names(apps, editor)
        migration.mark_unknown_creation(apps, editor)
        editor.add_constraint(ApiKey, constraint)
    assert ApiKey.objects.filter(holds_name=1).count() == 1


def test_names_are_held_except_by_keys_that_are_double_already(cast, capsys):
    alone = a_key(cast.admin, **BY_HAND | {"name": "Alone"})
    double = [a_key(cast.admin, **BY_HAND) for _ in range(2)]
    beside_found = a_key(cast.user, **BY_HAND)
    a_key(cast.user, name="NIGHTLY", origin="discovered")
    ended = a_key(cast.guest, **BY_HAND, state=State.WITHDRAWN)
    after_end = a_key(cast.guest, **BY_HAND)
    migrate(migration.hold_names)
    assert set(ApiKey.objects.filter(holds_name=1)) == {alone, after_end}
    said = capsys.readouterr().out
    assert "3 registered keys have the name and owner of another key in use" in said
    assert all(f"/keys/{key.pk}/" in said for key in (*double, beside_found))
    assert str(ended.pk) not in said


@pytest.mark.parametrize(
    ("at", "origin", "is_known"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC), "declared", False),
        (datetime(2026, 1, 2, tzinfo=UTC), "declared", True),
        (datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC), "discovered", True),
    ],
)
def test_keys_that_were_registered_without_a_creation_date_are_found(cast, at, origin, is_known):
    cerby_id = {} if origin == "discovered" else {"cerby_id": None}
    key = a_key(cast.admin, origin=origin, created_at=at, **cerby_id)
    migrate(migration.mark_unknown_creation)
    key.refresh_from_db()
    assert key.created_known is is_known
