"""Test that each trigger maintains its index.

To change a column on SQLite, Django drops and recreates the table, which drops its triggers silently: such a
migration must create them again.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from importlib import import_module

from django.db import connection
from django.utils import timezone

from keys.models import ApiKey, KeyScope, SearchDocument
from keys.rules.lifecycle import State
from keys.selectors.inventory.search import containing
from tests.cast import a_key

TRIGGERS = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal",
}


def test_all_triggers_exist_after_all_migrations(db):
    search = import_module("keys.migrations.0002_inventory_search")
    audit = import_module("keys.migrations.0003_append_only_audit")
    forged = import_module("keys.migrations.0012_one_way_forgeries")
    ownership = import_module("keys.migrations.0015_ownership")
    policy = import_module("keys.migrations.0043_policy_versions")
    made = {
        "sqlite": {*search.TRIGGERS, *audit.TRIGGERS, *ownership.TRIGGERS, *policy.TRIGGERS, forged.NAME},
        "postgresql": {
            *search.POSTGRESQL_TRIGGERS,
            *audit.POSTGRESQL_TRIGGERS,
            *ownership.POSTGRESQL_TRIGGERS,
            *policy.POSTGRESQL_TRIGGERS,
            forged.NAME,
        },
    }
    with connection.cursor() as cursor:
        cursor.execute(TRIGGERS[connection.vendor])
        assert {name for (name,) in cursor.fetchall()} == made[connection.vendor]


def found(text: str) -> set[uuid.UUID]:
    """Return the keys that the search index finds for ``text``."""
    return set(ApiKey.objects.filter(containing(text).found).values_list("pk", flat=True))


def in_the_index_order() -> list[uuid.UUID]:
    newest_last = SearchDocument.objects.order_by("-id")  # newer keys have lower numbers
    return list(newest_last.values_list("key_id", flat=True))


def with_scope(scope: str) -> set[uuid.UUID]:
    return set(KeyScope.objects.filter(scope=scope).values_list("key_id", flat=True))


def search_index_is_sound() -> None:
    """Let FTS5 compare its index with the indexed table; it raises if they differ."""
    if connection.vendor != "sqlite":  # PostgreSQL maintains its indexes itself
        return
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO keys_search (keys_search, rank) VALUES ('integrity-check', 1)")


def test_the_search_index_follows_changes_of_a_key(cast):
    key = a_key(cast.admin, name="Nightly export")
    other = a_key(cast.owner, name="Weekly export")
    assert found("nightly") == {key.id}
    assert found("export") == {key.id, other.id}
    assert found("admin@contenzilla") == {key.id}

    ApiKey.objects.filter(pk=key.pk).update(name="Hourly import", name_order="hourly import")
    assert (found("nightly"), found("hourly")) == (set(), {key.id})

    ApiKey.objects.filter(pk=key.pk).update(
        owner_name="Grace Hopper", owner_order="grace hopper", owner_email="grace@contenzilla.example"
    )
    assert (found("admin@"), found("hopper")) == (set(), {key.id})

    ApiKey.objects.filter(pk=key.pk).update(state=State.CLAIMED)
    assert found("hourly") == {key.id}

    search_index_is_sound()
    key.delete()
    assert (found("hourly"), found("export")) == (set(), {other.id})
    search_index_is_sound()


def test_a_match_does_not_span_two_columns(cast):
    a_key(cast.admin, name="Nightly")
    assert found("nightlyadmin") == set()
    assert found("nightly.admin") == set()


def test_the_search_index_orders_keys_by_creation(cast):
    now = timezone.now()
    third, first, second = (
        a_key(cast.admin, created_at=now - timedelta(milliseconds=ago)) for ago in (1, 3, 2)
    )
    assert in_the_index_order() == [first.id, second.id, third.id]

    ApiKey.objects.filter(pk=third.pk).update(created_at=now - timedelta(days=900))
    assert in_the_index_order() == [third.id, first.id, second.id]

    at_one_moment = [a_key(cast.admin, created_at=now) for _ in range(5)]
    assert in_the_index_order() == [third.id, first.id, second.id, *(key.id for key in at_one_moment)]
    search_index_is_sound()


def test_the_scope_index_follows_changes_of_a_key(cast):
    key = a_key(cast.admin, scopes=["read:users", "read:items"])
    other = a_key(cast.owner, scopes=["read:users"])
    assert (with_scope("read:users"), with_scope("read:items")) == ({key.id, other.id}, {key.id})

    ApiKey.objects.filter(pk=key.pk).update(scopes=["read:items", "write:users"])
    assert with_scope("read:users") == {other.id}
    assert with_scope("read:items") == with_scope("write:users") == {key.id}

    moved = timezone.now() - timedelta(days=9)
    ApiKey.objects.filter(pk=key.pk).update(created_at=moved)
    assert set(KeyScope.objects.filter(key=key).values_list("created_at", flat=True)) == {moved}

    key.delete()
    assert with_scope("read:items") == set()
    assert with_scope("read:users") == {other.id}


def test_a_bulk_insert_is_indexed_too(cast):
    template = a_key(cast.admin)
    copies = [
        ApiKey(
            cerby_id=uuid.uuid4(),
            name=f"Bulk {number}",
            owner=cast.admin,
            owner_name="Admin Person",
            owner_email=cast.admin.email,
            scopes=["write:users"],
            state=State.HELD,
            created_at=template.created_at,
            expires_at=template.expires_at,
        )
        for number in range(3)
    ]
    ApiKey.objects.bulk_create(copies)
    assert found("bulk") == with_scope("write:users") == {copy.id for copy in copies}
    search_index_is_sound()


def test_the_generated_columns_of_a_key(cast):
    key = a_key(cast.admin, scopes=["read:users", "read:items", "write:users"], last_used_at=None)
    key.refresh_from_db()
    assert (key.scope_count, key.phase, key.last_used_order.year) == (3, 2, 1)
