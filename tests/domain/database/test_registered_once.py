"""Test the migration that lets the database refuse a second registration of a key."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.db import connection

from keys.models import ApiKey
from keys.rules.lifecycle import State
from tests.cast import a_key

migration = import_module("keys.migrations.0019_registered_once")
BY_HAND: dict[str, Any] = {"cerby_id": None, "origin": "declared", "name": "Nightly"}


def migrate(step: Any) -> None:
    step(apps, SimpleNamespace(connection=connection))


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
