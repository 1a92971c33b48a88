"""Sealing: each event gets exactly one index, in order, with any number of sequencers and any clock."""

from __future__ import annotations

import threading
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.utils import timezone

from keys.audit import log
from keys.audit.sequencer import BATCH, LEASE, seal
from keys.audit.signer import sign
from keys.audit.tree_store import tree
from keys.jobs.sealing import seal_all
from keys.models import AuditEvent, Sealed, TreeHead, Unsealed
from keys.rules.events import Event
from keys.tlog.merkle import leaf_hash
from tests.cast import an_event
from tests.databases import POSTGRESQL
from tests.domain.audit.test_merkle import from_path
from tests.support import own_database
from tests.support.cases import in_one_test
from tests.support.sealed_log import add_events, is_whole, let_the_lease_end, without_triggers

PATIENCE = 60  # seconds
ME, ANOTHER = uuid.UUID(int=1), uuid.UUID(int=2)


def test_events_wait_until_they_are_sealed_in_order(db):
    events = add_events(3)
    assert set(Unsealed.objects.values_list("event", flat=True)) == {event.pk for event in events}
    assert seal(ME).count == 3
    assert list(Sealed.objects.order_by("index").values_list("event", flat=True)) == [e.pk for e in events]
    is_whole()
    assert seal(ME).count == 0


def test_more_than_a_batch_is_sealed_in_several(db):
    add_events(BATCH + 300)
    assert seal(ME).count == BATCH
    seal_all(ME)
    is_whole()
    add_events(1)
    seal_all(ME)
    is_whole()


def test_a_sealed_event_in_the_queue_does_not_block_others(db):
    sealed, *_ = add_events(2)
    seal(ME)
    Unsealed.objects.create(event=sealed)
    add_events(1)
    assert [seal(ME).count, seal(ME).count, Sealed.objects.count()] == [1, 0, 3]
    Unsealed.objects.create(event=sealed)
    assert [seal(ME).count, Unsealed.objects.count()] == [0, 0]
    is_whole()


def test_a_batch_of_sealed_events_in_the_queue_does_not_block_others(db):
    again = add_events(BATCH + 3)
    seal_all(ME)
    Unsealed.objects.bulk_create(Unsealed(event=event) for event in again)
    add_events(1)
    assert [seal(ME).count, seal(ME).count, Unsealed.objects.count()] == [1, 0, 0]
    is_whole()


def test_each_event_can_be_proved_to_be_in_the_tree(db):
    add_events(300)
    seal_all(ME)
    head = TreeHead.objects.get()
    for index in (0, 255, 256, 299):
        leaf = leaf_hash(bytes(AuditEvent.objects.get(sealed__index=index).leaf))
        path = tree(head.size).inclusion_proof(index)
        assert from_path(leaf, index, head.size, path) == bytes(head.root)


def test_a_proof_needs_few_queries(db, django_assert_max_num_queries):
    add_events(600)
    seal_all(ME)
    with django_assert_max_num_queries(4):
        tree(600).inclusion_proof(17)


def test_a_late_commit_is_not_skipped(db):
    """Its id was assigned early, so it is lower than the ids of sealed events."""
    late, *others = (an_event(reason=f"number {number}") for number in range(4))
    for place, event in enumerate(others):
        event.id = 1_000 + place
        event.save(force_insert=True)
    assert seal(ME).count == 3
    late.id = 999
    late.save(force_insert=True)
    assert seal(ME).count == 1
    assert Sealed.objects.get(event=late).index == 3
    is_whole()


def test_there_is_one_leader_until_the_lease_expires(db):
    add_events(1)
    assert seal(ME).count == 1
    add_events(1)
    assert seal(ANOTHER).count == 0
    assert seal(ME).count == 1
    add_events(1)
    let_the_lease_end()
    assert seal(ANOTHER).count == 1
    add_events(1)
    assert seal(ME).count == 0
    seal_all(ANOTHER)
    is_whole()


def test_setting_the_clock_back_does_not_extend_a_dead_leaders_lease(db):
    add_events(1)
    assert seal(ME).count == 1
    TreeHead.objects.update(leader_until=timezone.now() + LEASE + timedelta(hours=1))
    add_events(1)
    assert seal(ANOTHER).count == 1
    is_whole()


def test_setting_the_clock_back_does_not_change_the_order(db):
    now = timezone.now()
    for at in (now, now - timedelta(hours=1), now - timedelta(minutes=59)):
        an_event(at=at).save()
    seal_all(ME)
    times = list(Sealed.objects.order_by("index").values_list("event__at", flat=True))
    assert times == [now, now - timedelta(hours=1), now - timedelta(minutes=59)]
    is_whole()


@in_one_test(
    "event, urgent",
    [
        (Event.KEY_REVEALED, True),
        (Event.KEY_DELETED, True),
        (Event.ROLES_REFRESHED, True),
        (Event.PERSON_CHANGED, True),
        (Event.KEY_REQUESTED, False),
        (Event.SIGNED_OUT, False),
    ],
)
def test_urgent_events_are_reported(db, event, urgent):
    log.append(Event.SIGNED_OUT, actor=None)
    log.append(event, actor=None)
    assert seal_all(ME) is urgent


BEFORE_SEALING: dict[str, dict[str, Any]] = {
    "its text": {"leaf": b"{}"},
    "its MAC": {"mac": bytes(32)},
    "the name of its chain": {"mac_chain": "00000000"},
    "the time of its key": {"mac_epoch": F("mac_epoch") + 2},
}


@in_one_test("what", BEFORE_SEALING)
def test_changes_before_sealing_are_found(signed_here, what):
    add_events(1)
    seal_all(ME)
    assert TreeHead.objects.get().forged is None
    log.append(Event.SIGNED_OUT, actor=None)
    without_triggers()
    AuditEvent.objects.filter(type="session:end").update(**BEFORE_SEALING[what])
    add_events(1)
    seal_all(ME)
    head = TreeHead.objects.get()
    assert (head.forged, head.forged_times) == (1, 1)
    is_whole()


def test_further_forged_events_are_counted(signed_here):
    for _ in range(2):
        add_events(2)
        without_triggers()
        AuditEvent.objects.filter(sealed=None).update(mac=bytes(32))
        seal_all(ME)
    head = TreeHead.objects.get()
    assert (head.forged, head.forged_times) == (0, 4)


ATTACKS = [
    "UPDATE keys_sealed SET leaf_hash = {zero}",
    'UPDATE keys_sealed SET "index" = "index" + 10',
    "DELETE FROM keys_sealed",
    "UPDATE keys_treenode SET hash = {zero}",
    "DELETE FROM keys_treenode",
    "UPDATE keys_treehead SET size = size - 1",
    "UPDATE keys_treehead SET root = {zero}",
    "UPDATE keys_treehead SET id = 2",
    "DELETE FROM keys_treehead",
    "UPDATE keys_unsealed SET event_id = event_id + 1",
    "DELETE FROM keys_unsealed",
    "UPDATE keys_checkpoint SET size = 1",
    "DELETE FROM keys_checkpoint",
]
ATTACKS_ON = {
    "sqlite": [
        (
            'REPLACE INTO keys_sealed ("index", event_id, leaf_hash)'
            ' SELECT "index", event_id, zeroblob(32) FROM keys_sealed'
        ),
        (
            'REPLACE INTO keys_sealed ("index", event_id, leaf_hash)'
            ' SELECT 10 + "index", event_id, leaf_hash FROM keys_sealed'
        ),
        'REPLACE INTO keys_treenode (level, "index", hash) SELECT level, "index", zeroblob(32) FROM keys_treenode',
        "REPLACE INTO keys_treehead (id, size, root, refusal) VALUES (1, 0, zeroblob(32), '')",
        (
            "REPLACE INTO keys_checkpoint (id, size, root, at, note)"
            " SELECT 77, size, root, at, '' FROM keys_checkpoint"
        ),
    ],
    "postgresql": [
        f"TRUNCATE keys_{table} CASCADE"
        for table in ("auditevent", "unsealed", "sealed", "treenode", "treehead", "checkpoint")
    ],
}
ZERO = {"sqlite": "zeroblob(32)", "postgresql": "decode(repeat('00', 32), 'hex')"}


@pytest.fixture
def a_signed_log(signed_here):
    add_events(300)
    seal_all(ME)
    sign()
    add_events(1)


def is_refused(sql: str) -> None:
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        run(sql)


def run(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


@in_one_test("sql", ATTACKS)
def test_the_database_refuses_to_change_the_tree(a_signed_log, sql):
    is_refused(sql.format(zero=ZERO[connection.vendor]))


def test_the_database_refuses_its_own_statements_as_well(a_signed_log):
    if connection.vendor == "postgresql":
        run("SET CONSTRAINTS ALL IMMEDIATE")  # a table with pending checks cannot be truncated anyhow
    for sql in ATTACKS_ON[connection.vendor]:
        is_refused(sql)


@pytest.mark.only_on(
    POSTGRESQL
)  # SQLite lets one write at a time: nobody commits while another transaction is open
def test_a_transaction_that_stays_open_is_not_skipped(database, audit_files):
    """Its event has a lower id than events sealed meanwhile, and is invisible until the commit."""
    begun, go_on = threading.Event(), threading.Event()

    def write_slowly() -> None:
        with own_database.using(database), transaction.atomic():
            an_event(reason="late").save()
            begun.set()
            go_on.wait(PATIENCE)

    slow = threading.Thread(target=write_slowly)
    slow.start()
    assert begun.wait(PATIENCE)
    try:
        add_events(3)
        seal_all(ME)
        assert Sealed.objects.count() == 3
    finally:
        go_on.set()
        slow.join(PATIENCE)
    seal_all(ME)
    late = Sealed.objects.get(event__reason="late")
    assert (late.index, late.event_id) == (3, min(AuditEvent.objects.values_list("pk", flat=True)))
    is_whole()
