"""Rows that somebody changes in the database, without the portal, contradict the audit log."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import connection

from keys.actions.people import sign_in
from keys.evidence.logged_keys import logged_keys
from keys.evidence.row_check import contradictions
from keys.models import ApiKey, User
from keys.rules.policy import Role
from keys.verifier.verify_bundle import Kind
from tests.cast import a_key
from tests.support.signed_record import execute, found

KEY = "UPDATE keys_apikey SET {} WHERE id = (SELECT id FROM keys_apikey ORDER BY created_at LIMIT 1)"
ATTACKS: dict[str, tuple[str, tuple[Any, ...], str]] = {
    "owner": (
        KEY.format("owner_id = (SELECT id FROM keys_user WHERE email = %s)"),
        ("owner@contenzilla.example",),
        "owner is",
    ),
    "state": (KEY.format("state = 'held'"), (), "state is 'held' in its row, and 'revoked'"),
    "scopes": (KEY.format("scopes = %s"), ('["write:users"]',), "scopes is"),
    "purpose": (KEY.format("purpose = %s"), ("Approved by nobody.",), "purpose is"),
    "origin": (KEY.format("origin = 'discovered'"), (), "origin is"),
    "expiry": (KEY.format("expires_at = %s"), ("2099-01-01 00:00:00+00:00",), "expires_at is"),
    "creation": (KEY.format("created_at = %s"), ("2020-01-01 00:00:00+00:00",), "created_at is"),
    "name": (KEY.format("name = %s"), ("Another name",), "name is"),
    "Cerby's id": (KEY.format("cerby_id = %s"), (uuid.UUID(int=7).hex,), "cerby_id is"),
    "last four characters": (KEY.format("last_four = 'abcd'"), (), "last_four is"),
    "accountable person": (
        KEY.format("accountable_id = (SELECT id FROM keys_user WHERE email = %s)"),
        ("owner@contenzilla.example",),
        "accountable is",
    ),
    "backup": (
        KEY.format("backup_id = (SELECT id FROM keys_user WHERE email = %s)"),
        ("owner@contenzilla.example",),
        "backup is",
    ),
    "team": (KEY.format("team = %s"), ("Another team",), "team is"),
    "environment": (KEY.format("environment = 'other'"), (), "environment is"),
    "review date": (KEY.format("review_on = %s"), ("2099-01-01",), "review_on is"),
    "tags": (KEY.format("tags = %s"), ('["harmless"]',), "tags is"),
    "note": (KEY.format("note = %s"), ("Approved by nobody.",), "note is"),
    "a used view": (
        "UPDATE keys_revealgrant SET state = 'ready', sealed = %s, claimed_at = NULL",
        (b"sealed",),
        "its one view was used",
    ),
    "a role": (
        "UPDATE keys_user SET role = %s WHERE email = %s",
        (Role.OWNER, "new@contenzilla.example"),
        "role is",
    ),
    "a sign-in": (
        "UPDATE keys_user SET is_active = %s WHERE email = %s",
        (False, "new@contenzilla.example"),
        "may sign in is",
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_changed_row_is_found_and_named(kept, attack):
    assert found(kept) == {}
    sql, values, words = ATTACKS[attack]
    execute(sql, *values)
    assert any(words in one.words for one in contradictions())
    assert found(kept).keys() == {Kind.ROWS}


def test_a_deleted_row_is_found(kept):
    key = ApiKey.objects.get()
    with connection.cursor() as cursor:
        for table in ("keys_revealgrant", "keys_keyscope", "keys_keytag", "keys_apikey"):
            column = "id" if table == "keys_apikey" else "key_id"
            cursor.execute(
                f"DELETE FROM {table} WHERE {column} = %s",
                [key.pk.hex if connection.vendor == "sqlite" else key.pk],
            )
    (one,) = contradictions()
    assert str(key.pk) in one.words
    assert found(kept).keys() == {Kind.ROWS}


def test_a_row_without_any_event_is_found(kept):
    a_key(User.objects.get(email="admin@contenzilla.example"), name="Smuggled in")
    (one,) = contradictions()
    assert "Smuggled in" in one.words
    assert "no event" in one.words


def test_the_log_gives_the_values_of_a_row(kept):
    key = ApiKey.objects.get()
    logged = logged_keys([key.pk])[key.pk]
    assert logged.values["scopes"] == sorted(key.scopes)
    assert logged.values["owner"] == key.owner_id
    assert logged.values["expires_at"] == key.expires_at
    assert logged.states == {key.state}


def test_what_changes_no_row_is_no_contradiction(kept):
    sign_in.record(User.objects.get(email="admin@contenzilla.example"), ip="192.0.2.7", browser="Firefox")
    assert list(contradictions()) == []
