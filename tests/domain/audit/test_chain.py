"""Every node gets the MAC chain from another one; nobody else can get it or plant another."""

from __future__ import annotations

import json
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from keys.audit import chain, log
from keys.jobs.sealing import seal_all
from keys.models import AuditEvent, MacChain, Node, TreeHead, Unsealed
from keys.rules.errors import NotReady
from keys.rules.events import Event
from keys.tlog import handover, mac_ratchet
from tests.support.nodes import ANode, join

ONE, TWO = uuid.UUID(int=1), uuid.UUID(int=2)


@pytest.fixture
def a(tmp_path: Path) -> ANode:
    return ANode(tmp_path / "a")


@pytest.fixture
def b(tmp_path: Path) -> ANode:
    return ANode(tmp_path / "b")


def chain_of(one: ANode) -> str:
    return json.loads((one.folder / "audit" / "ratchet.json").read_text())["chain"]


def event_on(one: ANode) -> None:
    with one.here():
        log.append(Event.SIGNED_OUT, actor=None)


def seal_on(one: ANode, leader: uuid.UUID) -> None:
    TreeHead.objects.update(leader=None)
    with one.here():
        seal_all(leader)


def test_a_second_node_joins_and_no_event_looks_forged(a, b, database, monkeypatch):
    join(a, b)
    assert chain_of(a) == chain_of(b) == MacChain.objects.get().name
    epoch = mac_ratchet._epoch_now()
    for later in range(4):
        monkeypatch.setattr(mac_ratchet, "_epoch_now", lambda later=later: epoch + later)
        for one, other in ((a, b), (b, a)):
            event_on(one)
            seal_on(other, TWO)
            assert one.beat()
    assert not Unsealed.objects.exists()
    assert set(AuditEvent.objects.values_list("mac_epoch", flat=True)) == {epoch + n for n in range(4)}
    assert TreeHead.objects.get().forged is None


def test_another_process_may_start_the_chain_meanwhile(a, database):
    """It writes the first event after this process has seen neither a chain nor a file."""
    began = False

    def begin_elsewhere(execute: Any, sql: str, *rest: Any) -> Any:
        nonlocal began
        if "keys_auditevent" in sql and not began:
            began = True
            log.append(Event.SIGNED_OUT, actor=None)
        return execute(sql, *rest)

    with a.here(), connection.execute_wrapper(begin_elsewhere):
        assert chain.find_problem() == ""
    assert began


def test_a_chain_of_its_own_looks_forged(a, b, database):
    """Known bad: a second node that starts its own chain."""
    join(a)
    event_on(a)
    with b.here():
        mac_ratchet.init()
        event = AuditEvent.objects.get()
        made = mac_ratchet.mac(bytes(event.leaf))
        with pytest.raises(NotReady, match="belongs to another chain"):
            log.append(Event.SIGNED_OUT, actor=None)
    AuditEvent(
        leaf=event.leaf, mac=made.tag, mac_chain=made.chain, mac_epoch=made.epoch, at=event.at,
        type=event.type, outcome=event.outcome,
    ).save()  # fmt: skip
    seal_on(b, TWO)
    assert Unsealed.objects.count() == 2  # B does not judge what it cannot check
    seal_on(a, ONE)
    assert TreeHead.objects.get().forged == 1


def test_until_it_has_joined_a_node_refuses(a, b, database):
    join(a)
    event_on(a)
    assert not b.beat()
    with b.here():
        with pytest.raises(NotReady, match="audit_init --new-chain"):
            log.append(Event.SIGNED_OUT, actor=None)
        probe = Client().get("/readyz")
        assert (probe.status_code, "has asked the other nodes" in probe.json()["status"]) == (503, True)
        seal_all(TWO)
        assert Unsealed.objects.count() == 1
        with pytest.raises(CommandError, match="--new-chain"):
            call_command("audit_init")
    a.beat()
    assert b.beat()
    with b.here():
        assert Client().get("/readyz").status_code == 200
    event_on(b)


def test_nothing_of_the_handover_is_left(a, b, database):
    join(a, b)
    assert not list(b.folder.rglob("joining.json"))
    assert set(Node.objects.values_list("request", "answer")) == {("", "")}


def test_two_first_nodes_agree_on_one_chain(a, b, database):
    """Both look before either registers, but only one row can be the first."""
    b.folder.mkdir()
    with b.here():
        assert chain.find_problem() == ""
        a.beat()
        with pytest.raises(NotReady):
            mac_ratchet.init(chain._register)
        assert not mac_ratchet.exists()
    join(a, b)
    assert chain_of(a) == chain_of(b)


def test_the_last_node_can_start_a_new_chain(a, b, database):
    join(a)
    (a.folder / "audit" / "ratchet.json").unlink()
    with a.here():
        call_command("audit_init", new_chain=True)
    assert a.beat()
    assert MacChain.objects.get().name == chain_of(a)


# ---- Somebody who can write to the database


def test_a_request_without_the_shared_secret_gets_no_answer(a, b, database, settings):
    join(a)
    settings.PORTAL_AUDIT_SIGNING_KEY, key = b"\1" * 32, settings.PORTAL_AUDIT_SIGNING_KEY
    row = Node.objects.create(name="mallory")
    _, row.request = handover.ask(str(row.pk))
    row.save()
    settings.PORTAL_AUDIT_SIGNING_KEY = key
    a.beat()
    row.refresh_from_db()
    assert row.answer == ""
    # known good: the same request with the right secret
    _, row.request = handover.ask(str(row.pk))
    row.save()
    a.beat()
    row.refresh_from_db()
    assert row.answer != ""


@pytest.mark.parametrize("change", [{"key": "00" * 32}, {"at": 0}, {"node": "another"}, {"mac": ""}, None])
def test_a_changed_request_gets_no_answer(change: dict[str, Any] | None):
    _, request = handover.ask("node")
    changed = json.dumps(json.loads(request) | change, sort_keys=True) if change else "[1]"
    now = mac_ratchet.Ratchet.new(10)
    assert handover.answer(changed, "node", now) is None
    assert handover.answer(request, "node", now) is not None


def test_an_old_request_gets_no_answer(monkeypatch):
    _, request = handover.ask("node")
    later = time.time() + handover.VALID_FOR + 1
    monkeypatch.setattr(time, "time", lambda: later)
    assert handover.answer(request, "node", mac_ratchet.Ratchet.new(10)) is None


def test_an_old_answer_and_a_planted_one_are_refused(settings):
    mine = mac_ratchet.Ratchet.new(10)
    old_private, old = handover.ask("node")
    private, request = handover.ask("node")
    old_answer, right = handover.answer(old, "node", mine), handover.answer(request, "node", mine)
    assert handover.open_answer(old_private, old, old_answer) == mine
    assert handover.open_answer(private, request, right) == mine
    assert handover.open_answer(private, request, old_answer) is None
    assert handover.open_answer(private, request, "no JSON") is None
    key = settings.PORTAL_AUDIT_SIGNING_KEY
    settings.PORTAL_AUDIT_SIGNING_KEY = b"\1" * 32
    _, again = handover.ask("node")
    body = json.loads(request)
    theirs = json.loads(handover.answer(again, "node", mac_ratchet.Ratchet.new(10)))
    settings.PORTAL_AUDIT_SIGNING_KEY = key
    assert body["node"] == "node"
    assert handover.open_answer(private, request, json.dumps(theirs)) is None


def test_a_planted_answer_makes_the_node_ask_again(a, b, database):
    join(a)
    b.beat()
    before = b.row().request
    Node.objects.filter(pk=b.row().pk).update(answer=json.dumps({"mac": "00", "sealed": "00"}))
    b.beat()
    assert b.row().request != before
    a.beat()
    assert b.beat()
    assert chain_of(a) == chain_of(b)


def test_a_rotated_secret_key_is_accepted(settings):
    settings.PORTAL_AUDIT_SIGNING_KEY = b""
    private, request = handover.ask("node")
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "a new one"
    now = mac_ratchet.Ratchet.new(10)
    answer = handover.answer(request, "node", now)
    assert handover.open_answer(private, request, answer) == now
