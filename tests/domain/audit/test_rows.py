"""Rows that somebody changes in the database, without the portal, contradict the audit log."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from keys import cerby
from keys.actions.keys.register import add_key
from keys.actions.people import sign_in
from keys.actions.people.refresh import apply_upstream
from keys.audit import log
from keys.audit.self_check import check
from keys.evidence.logged_keys import SEEN, logged_keys
from keys.evidence.row_check import check_rows, contradictions
from keys.models import ApiKey, User
from keys.rules.events import Event
from keys.rules.formatting import utc_microseconds
from keys.rules.permissions import Role
from keys.validation.existing_key import Registration
from keys.verifier.verify_bundle import Kind
from tests.cast import a_key, with_a_life
from tests.support.signed_record import execute, found

EXPIRES = datetime(2099, 1, 1, tzinfo=UTC)
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
    "the owner's name": (KEY.format("owner_name = %s"), ("Somebody Else",), "owner_name is"),
    "the owner's email": (KEY.format("owner_email = %s"), ("else@contenzilla.example",), "owner_email is"),
    "the owner's place in lists": (KEY.format("owner_order = 'zz'"), (), "owner_order is"),
    "the name to compare": (KEY.format("name_order = 'free'"), (), "name_order is"),
    "the accountable person's name": (
        KEY.format("accountable_name = %s"),
        ("Somebody Else",),
        "accountable_name is",
    ),
    "the accountable person's email": (
        KEY.format("accountable_email = %s"),
        ("else@contenzilla.example",),
        "accountable_email is",
    ),
    "who saw the key in Cerby's web app": (
        KEY.format("seen_by_id = owner_id"),
        (),
        "seen_by_id is",
    ),
    "who read the last use": (KEY.format("use_read_by_id = owner_id"), (), "use_read_by_id is"),
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
    "a person's email": (
        "UPDATE keys_user SET email = %s WHERE email = %s",
        ("mine@contenzilla.example", "new@contenzilla.example"),
        "email is",
    ),
    "a lost fingerprint": (KEY.format("fingerprint = NULL, pepper_id = ''"), (), "fingerprint is ''"),
    "another key's fingerprint": (KEY.format("fingerprint = %s"), (b"f" * 32,), "fingerprint is"),
    "where it is stored": (KEY.format("stored_in = 'Vault of nobody'"), (), "stored_in is"),
    "why it failed": (KEY.format("failure = 'Cerby refused it.'"), (), "failure is"),
    "the time of its end": (
        KEY.format("removed_at = %s"),
        ("2099-01-01 00:00:00+00:00",),
        "removed_at is",
    ),
    "an absence in Cerby": (
        KEY.format("missing_since = %s"),
        ("2020-01-01 00:00:00+00:00",),
        "missing_since is",
    ),
    "an added person": (
        "UPDATE keys_user SET added_at = %s, is_active = %s WHERE email = %s",
        ("2020-01-01 00:00:00+00:00", True, "guest@contenzilla.example"),
        "no event says that they were added",
    ),
    "a removed person": (
        "UPDATE keys_user SET added_at = NULL, is_active = %s WHERE email = %s",
        (False, "new@contenzilla.example"),
        "no event says that they were removed",
    ),
    "a password": (
        "UPDATE keys_user SET password = 'argon2$x' WHERE email = %s",
        ("new@contenzilla.example",),
        "no event says that it was set",
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


def test_a_discovered_key_has_no_last_four_characters_until_an_event_records_them(kept):
    owner = User.objects.get(email="admin@contenzilla.example")
    key = a_key(owner, origin=ApiKey.Origin.DISCOVERED, purpose="", accountable=None, last_four="abcd")
    log.append(Event.KEY_DISCOVERED, actor=None, key=key, owner_id=str(owner.pk))
    assert logged_keys([key.pk])[key.pk].wrong_values(key) == {"last_four": ("abcd", "")}


def test_a_declared_key_has_no_fingerprint_and_no_last_four_characters(kept):
    owner = User.objects.get(email="admin@contenzilla.example")
    registration = Registration("By hand", owner.email, "To test with.", EXPIRES, ("read:users",))
    key = add_key(owner.as_actor(), registration, owner)
    assert list(contradictions()) == []
    ApiKey.objects.filter(pk=key.pk).update(fingerprint=b"f" * 32, pepper_id="p1", last_four="abcd")
    assert {one.words.split("): ")[1].split()[0] for one in contradictions()} == {"fingerprint", "last_four"}


def test_a_key_whose_events_are_older_than_the_digests_is_counted(kept):
    assert check_rows(check()) == 0
    with_a_life(
        a_key(User.objects.get(email="admin@contenzilla.example"), fingerprint=b"f" * 32, pepper_id="p1")
    )
    log.append(Event.PASSWORD_RESET, actor=User.objects.get(email="new@contenzilla.example").as_actor())
    User.objects.update(password="!")
    assert list(contradictions()) == []
    assert check_rows(check()) == 2


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


def _in_cerby(user: User, **changed: str) -> cerby.Person:
    first, _, last = user.name.partition(" ")
    facts: dict[str, Any] = {
        "email": user.email,
        "first_name": first,
        "last_name": last,
        "status": "live",
    } | changed
    role, role_id = Role(user.role), user.cerby_role
    return cerby.Person(
        user.cerby_id, **facts, role=role, is_guest=role is Role.GUEST, last_activity=None, role_id=role_id
    )


def test_a_person_who_loses_an_address_to_another_one_is_no_contradiction(kept):
    former = User.objects.get(email="new@contenzilla.example")
    guest = User.objects.get(email="guest@contenzilla.example")
    apply_upstream(_in_cerby(guest, email=former.email), guest, asked_at=timezone.now())
    assert User.objects.get(pk=former.pk).email.endswith("@moved.invalid")
    assert list(contradictions()) == []


def test_a_key_that_is_requested_while_its_owner_is_renamed_is_no_contradiction(kept):
    admin = User.objects.get(email="admin@contenzilla.example")
    before = admin.as_actor()
    apply_upstream(_in_cerby(admin, first_name="Ada"), admin, asked_at=timezone.now())
    assert list(contradictions()) == []
    ApiKey.objects.update(**ApiKey.owner_columns(before))  # as a request does that had read the former name
    assert list(contradictions()) == []
    execute("UPDATE keys_user SET name = %s WHERE email = %s", "Mallory", admin.email)
    assert any("full name is 'Mallory'" in one.words for one in contradictions())


def test_who_confirmed_and_read_a_key_in_cerbys_web_app_follows_from_the_log(kept):
    key, admin = ApiKey.objects.get(), User.objects.get(email="admin@contenzilla.example")
    at = timezone.now()
    me = admin.as_actor()
    log.append(Event.KEY_CONFIRMED, actor=me, key=key, seen_at=utc_microseconds(at))
    log.append(
        Event.KEY_READ, actor=me, key=key, read_at=utc_microseconds(at), last_used_at="never",
        expires_at=key.expires_at.isoformat(), former_expires_at=key.expires_at.isoformat(),
    )  # fmt: skip
    right = {
        **{name: at for name in SEEN if name.endswith("_at")},
        **{name: admin.pk for name in SEEN if name.endswith("_id")},
    }
    assert logged_keys([key.pk])[key.pk].wrong_values(key).keys() == set(SEEN)
    ApiKey.objects.update(**right)
    assert logged_keys([key.pk])[key.pk].wrong_values(ApiKey.objects.get()) == {}
