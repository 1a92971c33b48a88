"""Rows that somebody changed by SQL are restored from the audit log, and the record does not blame Cerby."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from keys.actions.keys.acknowledge import acknowledge_key
from keys.actions.keys.claim import claim_key
from keys.actions.keys.delete import delete_key
from keys.actions.keys.issue import issue_key
from keys.actions.keys.reconcile import reconcile_due
from keys.actions.people.add import add_person
from keys.actions.people.refresh import refresh_person
from keys.actions.people.refresh_all import read_everyone
from keys.actions.sync.sweep import sweep
from keys.audit import log
from keys.evidence.people_rows import changed_people
from keys.models import ApiKey, AuditEvent, LoggedCerbyId, LoggedEmail, Quarantine, User
from keys.rules.events import Event
from keys.rules.formatting import utc_microseconds
from keys.rules.lifecycle import State
from keys.rules.permissions import Role
from keys.selectors.health.alert_kinds import AlertKind
from keys.selectors.health.alerts import active_alerts
from keys.selectors.health.audit_log import audit_health
from tests.cast import Cast, a_key, actor, email_of, said_by
from tests.support.asking import a_request
from tests.support.background import asked, live_upstream, state_of, story_of
from tests.support.row_check import wrong_keys

NOW = timezone.now()


def sql(statement: str, *values: Any) -> None:
    """Change the database without the portal."""
    if connection.vendor == "sqlite":
        values = tuple(_for_sqlite(value) for value in values)
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def _for_sqlite(value: Any) -> Any:
    if isinstance(value, uuid.UUID):
        return value.hex
    return f"{value:%Y-%m-%d %H:%M:%S.%f}" if isinstance(value, datetime) else value


def change_row(key: ApiKey, columns: str, *values: Any) -> None:
    sql(f"UPDATE keys_apikey SET {columns} WHERE id = %s", *values, key.pk)


def delete_row(key: ApiKey) -> None:
    for table in ("keys_keyscope", "keys_search_document", "keys_revealgrant"):
        sql(f"DELETE FROM {table} WHERE key_id = %s", key.pk)
    sql("DELETE FROM keys_apikey WHERE id = %s", key.pk)


def events(key: ApiKey) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(key_id=key.pk).order_by("id"))


def repairs(key: ApiKey) -> list[tuple[str, dict, dict]]:
    found = [(event.outcome, said_by(event)) for event in events(key) if event.type == "key:repair"]
    return [(outcome, said.get("before", {}), said.get("after", {})) for outcome, said in found]


def alerts() -> list[str]:
    found = active_alerts(timezone.now(), audit_health())
    return [alert.words for alert in found if alert.kind is AlertKind.ROW_REPAIRED]


@pytest.fixture
def held(cast: Cast, sandbox: Any) -> ApiKey:
    """Generate a key through the portal, view and store it, and compare once."""
    request = a_request(name="Nightly export", scopes=("read:users", "read:items"))
    me = actor(cast.admin)
    issue_key(me, request)
    claim_key(me, request.id, session="s")
    acknowledge_key(me, request.id)
    sweep()
    return ApiKey.objects.get(pk=request.id)


@pytest.fixture
def found(cast: Cast, sandbox: Any) -> ApiKey:
    """Discover a key that carries no id of ours."""
    sandbox.add_key(
        owner_email=email_of("admin"), name="Legacy", scopes=["read:users"],
        created_at=NOW - timedelta(days=2), expires_at=NOW + timedelta(days=30),
    )  # fmt: skip
    sweep()
    return ApiKey.objects.get(name="Legacy")


VALUES: dict[str, tuple[str, Callable[[Cast], tuple[Any, ...]], str]] = {
    "name": ("name = %s", lambda _: ("Another name",), "name"),
    "scopes": ("scopes = %s", lambda _: ('["write:users"]',), "scopes"),
    "expiry": ("expires_at = %s", lambda _: (NOW + timedelta(days=3000),), "expires_at"),
    "owner": ("owner_id = %s", lambda cast: (cast.owner.pk,), "owner_email"),
    "owner's email": ("owner_email = %s", lambda _: ("else@contenzilla.example",), "owner_email"),
    "Cerby's id": ("cerby_id = %s", lambda _: (uuid.UUID(int=7),), "cerby_id"),
    "purpose, with the name": ("purpose = 'Approved.', name = %s", lambda _: ("Other",), "purpose"),
    "accountable person": (
        "accountable_id = %s, name = 'Other'",
        lambda cast: (cast.owner.pk,),
        "accountable",
    ),
    "team and tags": ("team = 'Other', name = 'Other', tags = %s", lambda _: ('["other"]',), "tags"),
    "origin, with the name": ("origin = 'declared', name = %s", lambda _: ("Other",), "origin"),
}


@pytest.mark.parametrize("which", ["held", "found"])
@pytest.mark.parametrize("value", VALUES)
def test_a_changed_value_is_restored_and_cerby_is_not_named(cast, request, value, which):
    key = request.getfixturevalue(which)
    columns, values, name = VALUES[value]
    before = {field.attname: getattr(key, field.attname) for field in ApiKey._meta.concrete_fields}
    change_row(key, columns, *values(cast))
    tampered = ApiKey.objects.get(pk=key.pk)
    result = sweep()
    assert (result.changed, result.discovered, result.missing, result.revoked) == (0, 0, 0, 0)
    now = ApiKey.objects.get(pk=key.pk)
    ours = (
        *("name", "name_order", "owner_id", "owner_email", "scopes", "expires_at", "purpose", "origin"),
        *("accountable_id", "accountable_email", "team", "team_order", "tags"),
    )
    assert {name: getattr(now, name) for name in ours} == {name: before[name] for name in ours}
    assert now.cerby_id == key.cerby_id
    [(outcome, was, became)] = repairs(key)
    assert outcome == "done"
    assert name in became
    assert was[name] != became[name]
    if name not in {"owner_email", "expires_at", "cerby_id", "accountable"}:
        assert (was[name], became[name]) == (getattr(tampered, name), getattr(key, name))
    assert "key:change" not in story_of(key)
    assert wrong_keys() == []
    assert ApiKey.objects.count() == 2
    assert len(alerts()) == 1
    assert "Nightly export" in alerts()[0] or "Legacy" in alerts()[0]
    assert sweep().changed == 0
    assert len(repairs(key)) == 1


def test_a_change_in_cerby_is_not_hidden_by_a_repair(held, sandbox):
    sandbox.change_key(str(held.cerby_id), scopes=["read:teams"])
    change_row(held, "scopes = %s", '["write:users"]')
    assert sweep().changed == 1
    [(_, was, became)] = repairs(held)
    assert (was["scopes"], became["scopes"]) == (["write:users"], held.scopes)
    change = AuditEvent.objects.get(type="key:change", key_id=held.pk)
    assert change.details == {"before": {"scopes": held.scopes}, "after": {"scopes": ["read:teams"]}}
    assert wrong_keys() == []


def test_a_change_in_cerby_of_another_value_is_recorded_beside_the_repair(held, sandbox):
    sandbox.change_key(str(held.cerby_id), name="Weekly export")
    change_row(held, "scopes = %s", '["write:users"]')
    assert sweep().changed == 1
    change = AuditEvent.objects.get(type="key:change", key_id=held.pk)
    assert change.details["after"] == {"name": "Weekly export"}
    assert ApiKey.objects.get(pk=held.pk).scopes == held.scopes
    assert wrong_keys() == []


def test_a_live_key_whose_row_says_that_it_has_ended_is_not_revoked(held, sandbox):
    change_row(held, "state = 'revoked', removed_at = %s", NOW - timedelta(days=1))
    result = sweep()
    assert (result.revoked, state_of(held)) == (0, State.HELD)
    assert str(held.cerby_id) in live_upstream(sandbox)
    assert [(was["state"], became["state"]) for _, was, became in repairs(held)] == [("revoked", "held")]
    assert len(alerts()) == 1


def test_many_rows_that_say_so_do_not_trip_the_circuit_breaker(cast, sandbox):
    for number in range(4):
        sandbox.add_key(
            owner_email=email_of("admin"), name=f"Robot {number}", scopes=["read:users"],
            created_at=NOW - timedelta(days=2), expires_at=NOW + timedelta(days=30),
        )  # fmt: skip
    sweep()
    sql("UPDATE keys_apikey SET state = 'revoked', removed_at = %s", NOW - timedelta(days=1))
    assert not sweep().quarantined
    assert not Quarantine.objects.filter(since__isnull=False).exists()
    assert not AuditEvent.objects.filter(type="sweep:stop").exists()
    assert len(live_upstream(sandbox)) == ApiKey.objects.filter(state=State.HELD).count() == 5


def test_a_revoked_key_whose_row_says_that_it_is_live_is_not_removed_by_cerby(cast, held, sandbox):
    delete_key(actor(cast.admin), held.pk)
    removed_at = ApiKey.objects.get(pk=held.pk).removed_at
    change_row(held, "state = 'held', removed_at = NULL")
    assert sweep().changed == 0
    assert state_of(held) == State.REVOKED
    assert abs(ApiKey.objects.get(pk=held.pk).removed_at - removed_at) < timedelta(seconds=5)
    assert story_of(held)[-2:] == ["key:delete", "key:repair"]


@pytest.mark.parametrize("state", ["ready", "claimed", "revoking", "in_doubt", "requested"])
def test_the_reconciler_does_not_act_on_a_forged_state(held, sandbox, state):
    change_row(held, "state = %s, due_at = %s", state, NOW - timedelta(minutes=1))
    reconcile_due()
    assert (state_of(held), story_of(held)[-1]) == (State.HELD, "key:repair")
    assert asked(sandbox, "DELETE") == []
    assert str(held.cerby_id) in live_upstream(sandbox)
    assert reconcile_due() == 0


@pytest.mark.parametrize("which", ["held", "found"])
def test_a_deleted_row_is_restored_and_not_discovered(cast, request, which, sandbox):
    key = request.getfixturevalue(which)
    delete_row(key)
    assert not ApiKey.objects.filter(pk=key.pk).exists()
    result = sweep()
    assert (result.discovered, result.changed, result.not_taken) == (0, 0, 0)
    now = ApiKey.objects.get(pk=key.pk)
    for name in ("name", "scopes", "owner_id", "expires_at", "created_at", "purpose", "origin", "state"):
        assert getattr(now, name) == getattr(key, name), name
    assert story_of(key)[-1] == "key:repair"
    assert events(key)[-1].reason == "The row of this key was deleted from the database."
    assert wrong_keys() == []


def test_a_restored_row_says_again_who_confirmed_it_in_cerbys_web_app(cast, found, sandbox):
    log.append(Event.KEY_CONFIRMED, actor=actor(cast.admin), key=found, seen_at=utc_microseconds(NOW))
    delete_row(found)
    sweep()
    now = ApiKey.objects.get(pk=found.pk)
    assert (now.seen_at, now.seen_by) == (NOW, cast.admin)
    assert wrong_keys() == []


def test_a_change_in_cerby_is_not_hidden_by_deleting_the_row(found, sandbox):
    delete_row(found)
    sandbox.change_key(str(found.cerby_id), scopes=["write:users"])
    assert sweep().changed == 1
    assert story_of(found)[-2:] == ["key:repair", "key:change"]


def test_a_revoked_key_whose_row_was_deleted_is_not_live_again(found, sandbox):
    log.append(Event.KEY_DELETION_STARTED, actor=None, key=found)
    log.append(Event.KEY_DELETED, actor=None, key=found)
    delete_row(found)
    assert sweep().discovered == 0
    assert (state_of(found), story_of(found)[-1]) == (State.REVOKED, "key:repair")
    change_row(found, "removed_at = %s", NOW - timedelta(hours=1))
    assert sweep().revoked == 1
    assert str(found.cerby_id) not in live_upstream(sandbox)


def test_a_row_without_events_does_not_revoke_a_key(cast, found, sandbox):
    """Somebody replaces the row by a new one that takes over Cerby's id and has ended."""
    change_row(found, "cerby_id = %s", uuid.UUID(int=9))
    forged = a_key(
        cast.admin, cerby_id=found.cerby_id, state=State.REVOKED, removed_at=NOW - timedelta(days=1)
    )
    result = sweep()
    assert (result.revoked, result.not_taken) == (0, 1)
    assert str(found.cerby_id) in live_upstream(sandbox)
    assert repairs(forged) == [("failed", {}, {})]
    assert any(forged.name in words for words in alerts())
    sweep()
    assert repairs(forged) == [("failed", {}, {})], "the same failure is recorded once"


def test_two_rows_with_exchanged_ids_are_left_alone_and_reported(cast, found, sandbox):
    sandbox.add_key(
        owner_email=email_of("owner"), name="Other", scopes=["read:items"],
        created_at=NOW - timedelta(days=2), expires_at=NOW + timedelta(days=30),
    )  # fmt: skip
    sweep()
    other = ApiKey.objects.get(name="Other")
    change_row(other, "cerby_id = %s", uuid.UUID(int=9))
    change_row(found, "cerby_id = %s", other.cerby_id)
    change_row(other, "cerby_id = %s", found.cerby_id)
    result = sweep()
    assert (result.changed, result.not_taken) == (0, 2)
    assert {key.name for key in ApiKey.objects.all()} >= {"Legacy", "Other"}
    assert "key:change" not in story_of(found) + story_of(other)
    assert len(alerts()) == 2


def test_what_the_repair_asks_the_log_uses_an_index(cast, sandbox, found):
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
        about = AuditEvent.objects.alias(cerby=LoggedCerbyId()).filter(cerby__in=[str(found.cerby_id), "x"])
        assert "event_by_cerby_id" in about.explain()
        people = AuditEvent.objects.alias(about=LoggedEmail()).filter(about="a@b.example")
        assert "event_by_email" in people.explain()


# ---- People


@pytest.fixture
def known(cast: Cast, sandbox: Any) -> User:
    """Add a person whose role the log knows."""
    email = "new@contenzilla.example"
    sandbox.add_person(email=email, first_name="New", last_name="Person", role="workspace_user")
    return add_person(email)


def person_events(kind: str) -> list[tuple[dict, dict]]:
    found = [said_by(event) for event in AuditEvent.objects.filter(type=kind).order_by("id")]
    return [(said["before"], said["after"]) for said in found]


PEOPLE: dict[str, tuple[str, tuple[Any, ...], str]] = {
    "role": ("role = %s", (Role.OWNER,), "role"),
    "sign-in": ("is_active = %s", (False,), "may sign in"),
    "membership": ("left_at = %s", (NOW,), "in the workspace"),
}


@pytest.mark.parametrize("one_by_one", [True, False])
@pytest.mark.parametrize("value", PEOPLE)
def test_a_persons_changed_row_is_corrected_and_cerby_is_not_named(known, sandbox, value, one_by_one):
    columns, values, name = PEOPLE[value]
    earlier = len(person_events("person:change"))
    sql(f"UPDATE keys_user SET {columns} WHERE id = %s", *values, known.pk)
    if one_by_one:
        refresh_person(User.objects.get(pk=known.pk))
    else:
        read_everyone()
    now = User.objects.get(pk=known.pk)
    assert (now.role, now.is_active, now.left_at) == (Role.USER, True, None)
    [(was, became)] = person_events("person:repair")
    assert set(was) == set(became) == {name}
    assert len(person_events("person:change")) == earlier
    assert not [one for one in changed_people() if str(known.cerby_id) in one.words]
    assert len(alerts()) == 1


def test_a_persons_change_in_cerby_is_not_hidden_by_a_repair(known, sandbox):
    sandbox.set_person(str(known.cerby_id), role="workspace_admin")
    sql("UPDATE keys_user SET role = %s WHERE id = %s", Role.OWNER, known.pk)
    read_everyone(limited=False)
    assert person_events("person:repair") == [({"role": "Owner"}, {"role": "User"})]
    assert person_events("person:change")[-1] == ({"role": "User"}, {"role": "Admin"})


def test_forged_roles_do_not_stop_the_reading_of_roles(cast, sandbox):
    """Otherwise four forged Owners would keep their rights, and the record would blame Cerby's list."""
    forged = []
    for number in range(5):
        email = f"new-{number}@contenzilla.example"
        sandbox.add_person(email=email, first_name="New", last_name="Person", role="workspace_user")
        forged.append(add_person(email).pk)
    sql(f"UPDATE keys_user SET role = %s WHERE id IN ({','.join(map(str, forged))})", Role.OWNER)
    read_everyone()
    assert set(User.objects.filter(pk__in=forged).values_list("role", flat=True)) == {Role.USER}
    assert not AuditEvent.objects.filter(type="roles:stop").exists()
