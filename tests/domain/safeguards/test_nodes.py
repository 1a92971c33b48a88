"""Several nodes of one portal: whichever of them remembers more than the database, all of them heed it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.db.models import Max
from django.test import Client
from django.utils import timezone

from keys.actions.keys.reconcile import reconcile_due
from keys.actions.safeguards import rollback_guard
from keys.actions.safeguards.quarantine import Cause, end_quarantine
from keys.audit import chain, node
from keys.audit.signer import sign
from keys.jobs.sealing import seal_all
from keys.models import ApiKey, Checkpoint, HeldBack, Node, Quarantine, TreeHead
from keys.rules.lifecycle import State
from keys.tlog import mac_ratchet
from tests.cast import a_live_key, with_a_life
from tests.support.backups import copy_of_file, copy_of_rows
from tests.support.nodes import ANode, be_away, join, settle
from tests.support.own_database import Address
from tests.support.sealed_log import add_events

LEADER = uuid.UUID(int=1)


@pytest.fixture
def a(tmp_path: Path) -> ANode:
    return ANode(tmp_path / "a")


@pytest.fixture
def b(tmp_path: Path) -> ANode:
    return ANode(tmp_path / "b")


@pytest.fixture
def backup(database: Address, request: pytest.FixtureRequest) -> Callable[[], Callable[[], None]]:
    if isinstance(database, Path):
        return lambda: copy_of_file(database)
    return lambda: copy_of_rows(request.getfixturevalue("postgresql"))


def events_on(one: ANode, count: int) -> None:
    with one.here():
        add_events(count)
        seal_all(LEADER)


def sign_on(one: ANode) -> int:
    """Let ``one`` sign, and return the size that it signed, or 0."""
    with one.here():
        checkpoint = sign()
    return checkpoint.size if checkpoint else 0


def cause() -> str:
    return Quarantine.objects.values_list("cause", flat=True).get()


# ---- A restored database


@pytest.fixture
def restored(a, b, backup, committed_cast, sandbox) -> Path:
    """Restore a database in which a key that was viewed since waits for its first view. Only B knows more."""
    join(a, b)
    due = {"state": State.READY, "due_at": timezone.now(), "stored_at": None}
    key, _ = a_live_key(sandbox, committed_cast.admin, **due)
    with a.here():
        with_a_life(key)
    restore = backup()
    b.beat()
    restore()
    return b.folder


def acts(one: ANode) -> None:
    with one.here():
        reconcile_due()


@pytest.mark.usefixtures("restored")
def test_the_node_that_knows_more_starts_the_quarantine_before_it_revokes(b):
    acts(b)
    assert cause() == Cause.RESTORED
    assert HeldBack.objects.count() == 1
    assert ApiKey.objects.get().state == State.READY


@pytest.mark.usefixtures("restored")
def test_another_node_that_acts_first_does_not_hide_it(a, b):
    """A was away between the backup and the restore. It waits until B has had time to speak."""
    be_away(a, timedelta(minutes=1))
    a.beat()
    acts(a)
    assert (cause(), ApiKey.objects.get().state) == ("", State.READY)
    b.beat()
    assert cause() == Cause.RESTORED
    settle()
    ApiKey.objects.update(due_at=Quarantine.objects.get().since)
    acts(a)
    assert ApiKey.objects.get().state == State.READY


@pytest.mark.usefixtures("restored")
def test_a_mark_that_is_overwritten_hides_it(a, b):
    """Known bad: every node writes the marks of all, as when they had one row together."""
    a.beat()
    newest = Node.objects.aggregate(newest=Max("marked_at"))["newest"]
    Node.objects.update(marked_at=newest)
    b.beat()
    assert cause() == ""


def test_a_node_that_joined_after_the_backup_starts_it(a, b, backup, committed_cast):
    join(a)
    restore = backup()
    join(a, b)
    restore()
    b.beat()
    assert cause() == Cause.RESTORED
    assert "does not know the node" in Quarantine.objects.get().reason
    with b.here():
        end_quarantine(None)
    b.beat()
    assert cause() == ""


def test_nodes_that_take_turns_start_nothing(a, b, database):
    join(a, b)
    for _ in range(3):
        for one in (b, a, a, b):
            assert one.beat()
            acts(one)
    assert cause() == ""


def test_a_new_node_and_an_upgraded_one_start_nothing(a, b, database):
    join(a)
    Node.objects.all().delete()  # as before there were rows, but with the file of the last work
    (a.folder / node.FILE).unlink()
    join(a, b)
    assert cause() == ""


# ---- Signing


def test_a_single_node_signs_at_once(a, database):
    join(a)
    events_on(a, 3)
    assert sign_on(a) == TreeHead.objects.get().size


def test_a_node_signs_what_every_live_node_remembers(a, b, database):
    join(a, b)
    assert a.beat()
    agreed = TreeHead.objects.get().size if TreeHead.objects.exists() else 0
    events_on(a, 3)
    head = TreeHead.objects.get().size
    assert sign_on(a) == agreed  # B has not heard of the new events
    b.beat()
    assert json.loads((b.folder / "audit" / "signed.json").read_text())["size"] == head
    assert sign_on(a) == head
    assert sign_on(b) == 0
    assert Checkpoint.objects.latest("size").size == head


def test_a_killed_node_delays_signing_for_a_minute_and_a_stopped_one_not_at_all(a, b, database):
    join(a, b)
    b.beat()
    events_on(a, 3)
    assert sign_on(a) < TreeHead.objects.get().size
    be_away(b, node.LIVE)
    assert sign_on(a) == TreeHead.objects.get().size
    b.beat()
    events_on(a, 1)
    with b.here():
        node.leave()
    assert sign_on(a) == TreeHead.objects.get().size


def test_no_node_signs_a_restored_log_and_all_say_so(a, b, backup, committed_cast):
    join(a, b)
    events_on(a, 2)
    restore = backup()
    events_on(b, 3)
    a.beat()
    assert sign_on(b) == TreeHead.objects.get().size
    restore()
    events_on(a, 1)
    assert (sign_on(a), sign_on(b)) == (0, 0)
    for one in (a, b):
        with one.here():
            told = Client().get("/readyz")
        assert told.json()["audit"] == "refused"
        assert "refuses to sign" in told.json()["status"]


def test_a_node_that_is_not_asked_signs_a_fork(a, b, backup, committed_cast, monkeypatch):
    """Known bad: each node remembers only what it has signed itself, and hears of no refusal."""
    join(a, b)
    events_on(a, 2)
    restore = backup()
    monkeypatch.setattr(node, "live_others", list)
    monkeypatch.setattr(node, "others", Node.objects.none)
    events_on(b, 3)
    assert sign_on(b) == TreeHead.objects.get().size == 5
    restore()
    for one in (a, b):
        one.beat()
    assert (sign_on(b), sign_on(a)) == (0, 2)
    events_on(a, 3)
    assert sign_on(a) == 5  # a second checkpoint of five events, with another root


def test_a_portal_without_a_worker_is_not_waited_for(a, b, database):
    join(a)
    events_on(a, 1)
    b.folder.mkdir()
    with b.here():
        chain.join_if_new()
    a.beat()
    with b.here():
        chain.join_if_new()
        assert mac_ratchet.exists()
    assert sign_on(a) == 1


def test_a_node_that_remembers_less_does_not_overrule_the_other(a, b, backup, committed_cast):
    join(a, b)
    events_on(a, 2)
    restore = backup()
    be_away(a, node.LIVE)  # A does not hear of what B signs
    events_on(b, 3)
    b.beat()
    assert sign_on(b) == TreeHead.objects.get().size
    restore()
    be_away(a, node.LIVE)
    be_away(b, node.LIVE)
    a.heartbeat.__init__()  # A starts again
    a.beat()
    assert sign_on(a) == 0  # it waits for the others
    b.beat()
    settle()
    events_on(a, 9)
    a.beat()
    assert sign_on(a) == 0
    assert "Another node" in TreeHead.objects.get().refusal
    be_away(b, 2 * node.LIVE)
    assert sign_on(a) == 0
    (b.folder / "audit" / "signed.json").unlink()  # the operator has told the auditors
    b.beat()
    a.beat()
    assert sign_on(a) == TreeHead.objects.get().size
    assert TreeHead.objects.get().refusal == ""


def test_the_mark_is_kept_in_the_folder_of_the_node(a, database):
    join(a)
    assert (a.folder / rollback_guard.FILE_NAME).exists()
