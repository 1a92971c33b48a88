"""A change of any column of an event is found; an erasure is not reported as damage."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest
from django.db import connection

from keys.actions.people.erase import erase_person
from keys.audit.self_check import check
from keys.models import AuditEvent, User
from keys.verifier.verify_bundle import Kind
from tests.support import signed_record
from tests.support.signed_record import event, execute, found, without_triggers

COLUMNS = {
    "at": datetime(2020, 1, 1, tzinfo=UTC),
    "type": "key:call",
    "outcome": "refused",
    "actor_id": None,
    "actor_name": "Somebody else",
    "actor_email": "somebody@else.example",
    "actor_role": "Guest User",
    "key_id": uuid.UUID(int=7),
    "key_name": "Another key",
    "ip": "198.51.100.1",
    "browser": "Another browser",
    "reason": "Another reason.",
    "details": {"thumbprint": "another"},
}
READABLE = {"actor_name", "actor_email", "ip", "browser"}


@pytest.mark.parametrize("column", COLUMNS)
def test_a_change_of_each_column_is_found(kept, column):
    without_triggers()
    event(4).update(**{column: COLUMNS[column]})
    assert found(kept) == {Kind.PERSONAL if column in READABLE else Kind.COLUMNS: 4}


def test_an_erasure_leaves_the_log_intact(kept):
    newcomer = "new@contenzilla.example"
    User.objects.filter(email=newcomer).update(is_active=False)
    assert erase_person(None, newcomer) == 2
    signed_record.seal_and_sign()
    report = check(escrows=[kept.escrow()])
    assert (report.damage, report.erased) == ([], 2)


def test_all_columns_are_tested():
    beside = {"id", "uid", "leaf", "mac", "mac_chain", "mac_epoch", "personal", "salt"}
    assert {field.name for field in AuditEvent._meta.concrete_fields} == COLUMNS.keys() | beside


@pytest.mark.parametrize(
    "junk", ["UPDATE keys_auditevent SET at = 'never', key_id = 'none', actor_id = 'x', leaf = 'text'"]
)
def test_values_of_wrong_types_do_not_stop_the_verification(kept, junk):
    """SQLite stores values of any type."""
    if connection.vendor != "sqlite":
        return  # other databases enforce column types
    without_triggers()
    execute(f'{junk} WHERE id = (SELECT event_id FROM keys_sealed WHERE "index" = 8)')
    assert found(kept) == {Kind.HASH: 8, Kind.FORM: 8, Kind.ROOT: 6}
