"""The audit log: rows never change, and only listed events and details are accepted."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.db import IntegrityError, connection, transaction

from keys.actions.people import sign_in
from keys.audit import log
from keys.models import AuditEvent
from keys.rules.event_contents import DETAILS, DONE, OUTCOMES
from keys.rules.events import Event
from tests import cast as people
from tests.cast import Cast, a_key, said_by
from tests.support.cases import in_one_test

TAB_KEY = (
    ec.derive_private_key(7, ec.SECP256R1())
    .public_key()
    .public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
)


@pytest.fixture
def event(cast: Cast) -> AuditEvent:
    log.append(Event.SIGNED_IN, actor=people.actor(cast.admin), reason="As it was.")
    return AuditEvent.objects.get()


def save(event: AuditEvent) -> None:
    event.reason = "Nothing happened."
    event.save()


def bulk_update(event: AuditEvent) -> None:
    event.reason = "Nothing happened."
    AuditEvent.objects.bulk_update([event], ["reason"])


def upsert(event: AuditEvent) -> None:
    event.reason = "Nothing happened."
    AuditEvent.objects.bulk_create(
        [event], update_conflicts=True, unique_fields=["id"], update_fields=["reason"]
    )


def sql(statement: str = "", **by_vendor: str) -> Callable[[AuditEvent], None]:
    def run(event: AuditEvent) -> None:
        with connection.cursor() as cursor:
            cursor.execute(by_vendor.get(connection.vendor, statement))

    return run


COLUMNS = ", ".join(field.column for field in AuditEvent._meta.concrete_fields)
WRITTEN_WITH_IT = {"id", "uid", "at", "leaf", "mac", "mac_chain", "mac_epoch", "salt"}
ATTACKS: dict[str, Callable[[AuditEvent], Any]] = {
    "save": save,
    "QuerySet.update": lambda event: AuditEvent.objects.update(reason="Nothing happened."),
    "bulk_update": bulk_update,
    "upsert": upsert,
    "delete": AuditEvent.delete,
    "QuerySet.delete": lambda event: AuditEvent.objects.all().delete(),
    "raw UPDATE": sql("UPDATE keys_auditevent SET actor_name = 'Somebody else'"),
    "raw UPDATE of its id": sql("UPDATE keys_auditevent SET id = id + 1"),
    "raw DELETE": sql("DELETE FROM keys_auditevent"),
    "raw DELETE of some": sql("DELETE FROM keys_auditevent WHERE type LIKE 'session:%'"),
    "raw REPLACE or TRUNCATE": sql(
        sqlite=f"REPLACE INTO keys_auditevent ({COLUMNS}) SELECT {COLUMNS} FROM keys_auditevent",  # unchanged
        postgresql="SET CONSTRAINTS ALL IMMEDIATE; TRUNCATE keys_auditevent CASCADE",
    ),
    "raw REPLACE of its uid": sql(
        sqlite=f"REPLACE INTO keys_auditevent ({COLUMNS})"
        f" SELECT {COLUMNS.replace('id, uid', 'id + 1, uid')} FROM keys_auditevent",
        postgresql="DELETE FROM ONLY keys_auditevent",
    ),
}


@in_one_test("how", ATTACKS)
def test_the_database_refuses_to_change_or_remove_an_event(event, how):
    before = list(AuditEvent.objects.values())
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        ATTACKS[how](event)
    assert list(AuditEvent.objects.values()) == before


def test_appending_still_works(event, cast):
    log.append(Event.SIGNED_OUT, actor=people.actor(cast.admin))
    assert list(AuditEvent.objects.order_by("id").values_list("type", flat=True)) == [
        "session:start",
        "session:end",
    ]


def an_outcome_of(kind: Event) -> log.Outcome:
    return log.Outcome(min(OUTCOMES.get(kind, DONE)))


@in_one_test("kind", Event)
def test_an_event_carries_only_the_details_that_are_listed(db, kind):
    with pytest.raises(ValueError, match=f"{kind} carries no secret"):
        log.append(kind, actor=None, secret="sbx_CANARY")
    assert not AuditEvent.objects.exists()


@in_one_test("kind", Event)
def test_an_event_keeps_each_detail_that_is_listed(db, kind):
    details: dict[str, Any] = {name: f"some {name}" for name in DETAILS.get(kind, frozenset())}
    log.append(kind, actor=None, outcome=an_outcome_of(kind), **details)
    written = AuditEvent.objects.get()
    assert (said_by(written), written.actor_name, written.actor_id) == (details, "The portal", None)
    assert kind.label


@in_one_test("kind", Event)
@in_one_test("outcome", log.Outcome)
def test_an_event_has_only_listed_outcomes(db, kind, outcome):
    may = outcome in OUTCOMES.get(kind, DONE)
    with nullcontext() if may else pytest.raises(ValueError, match=f"{kind} is never {outcome}"):
        log.append(kind, actor=None, outcome=outcome)
    assert AuditEvent.objects.count() == may


def test_an_event_copies_the_actor_and_the_address(cast):
    key = a_key(cast.owner)
    log.append(Event.KEY_CALLED, actor=people.actor(cast.admin), key=key)
    written = dict(AuditEvent.objects.values().get())
    assert {name: value for name, value in written.items() if name not in WRITTEN_WITH_IT} == {
        "type": "key:call",
        "outcome": "done",
        "actor_id": cast.admin.pk,
        "actor_name": "Admin Person",
        "actor_email": "admin@contenzilla.example",
        "actor_role": "Admin",
        "key_id": key.id,
        "key_name": key.name,
        "ip": "192.0.2.7",
        "browser": "Chrome on Linux",
        "reason": "",
        "details": {},
        "personal": {},
    }


def test_a_wrong_password_is_recorded_only_for_people_whom_the_portal_knows(cast):
    sign_in.record_failure("Admin@contenzilla.example", ip="192.0.2.7", browser="Chrome on Linux")
    sign_in.record_failure("my-password-typed-into-the-wrong-field", ip="192.0.2.7", browser="")
    event = AuditEvent.objects.get()
    assert (event.type, event.outcome, event.actor_email) == ("session:start", "refused", cast.admin.email)


def test_no_label_claims_what_did_not_happen():
    """Labels that are true whatever the outcome need no other one."""
    true_anyway = {Event.PERSON_REPAIRED}
    claims = [
        (event, outcome)
        for event, outcomes in OUTCOMES.items()
        for outcome in outcomes - DONE
        if outcomes >= DONE and event not in true_anyway
    ]
    assert [claim for claim in claims if claim[0].label_if(claim[1]) == claim[0].label] == []
    assert Event.KEY_DELETED.label_if("failed") == "Deletion failed"
