"""Each node has its own memory of forged events and checkpoints: one that lacks it neither errs nor hides any."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection

from keys.actions.audit.explain_damage import explain_damage
from keys.actions.audit.verify import verify_daily
from keys.audit.self_check import check
from keys.audit.signer import sign
from keys.jobs.sealing import seal_all
from keys.models import Checkpoint, Node, TreeHead, Verification
from keys.tlog import mac_ratchet
from tests.cast import actor
from tests.domain.audit.test_forgeries import ON_HEAD, execute, insert_forged
from tests.support.nodes import ANode, be_away, join
from tests.support.sealed_log import add_events, without_triggers

LEADER = uuid.UUID(int=1)


@pytest.fixture
def a(tmp_path: Path) -> ANode:
    return ANode(tmp_path / "a")


@pytest.fixture
def b(tmp_path: Path, a: ANode, db: None) -> ANode:
    """Two nodes; B has never sealed or signed."""
    second = ANode(tmp_path / "b")
    join(a, second)
    with a.here():
        add_events(2)
        seal_all(LEADER)
    assert sign_on(a, second) == 2
    return second


def sign_on(one: ANode, *others: ANode) -> int:
    """Let the others agree and ``one`` sign. Return the size that it signed, or 0."""
    for other in (*others, one):
        other.beat()
    with one.here():
        checkpoint = sign()
    return checkpoint.size if checkpoint else 0


def forge_on(one: ANode) -> None:
    with one.here():
        insert_forged()
        seal_all(LEADER)


def found_on(one: ANode) -> set[str]:
    with one.here():
        return {damage.kind.name for damage in check().damage} - {"GUARDS"}


def pardon() -> None:
    without_triggers()
    execute("DROP TRIGGER IF EXISTS keys_treehead_no_pardon" + ON_HEAD[connection.vendor])
    execute("UPDATE keys_treehead SET forged = NULL, forged_times = NULL")


def test_no_node_signs_past_a_forged_event_until_one_explanation_lets_all(a, b, cast):
    forge_on(a)
    assert sign_on(b, a) == sign_on(a, b) == 0
    with b.here():
        verify_daily()
        explain_damage(actor(cast.owner), Verification.objects.latest("id").pk, "A test of the alarm.")
        seal_all(LEADER)
    assert sign_on(b, a) == TreeHead.objects.get().size
    assert found_on(a) == found_on(b) == {"FORGED"}


@pytest.mark.parametrize("away", [False, True])
def test_a_node_that_remembers_the_forgery_holds_up_one_that_does_not(a, b, away):
    """The attacker takes back the flag, and B has no file. The row of A says what A remembers."""
    forge_on(a)
    a.beat()
    if away:
        be_away(a, timedelta(hours=1))
    pardon()
    assert sign_on(b, *([] if away else [a])) == 0
    assert "Event 2 was not written by the portal" in TreeHead.objects.get().refusal
    assert "FORGED" in found_on(b)


def test_a_new_node_without_files_raises_no_alarm_and_reports_an_explained_forgery(a, b, cast, tmp_path):
    forge_on(a)
    with a.here():
        verify_daily()
        explain_damage(actor(cast.owner), Verification.objects.latest("id").pk, "A test of the alarm.")
        seal_all(LEADER)
    assert sign_on(a, b)
    c = ANode(tmp_path / "c")
    join(a, b, c)
    with c.here():
        add_events(1)
        seal_all(LEADER)
    assert sign_on(c, a, b) == TreeHead.objects.get().size
    assert found_on(c) == {"FORGED"}


def test_an_explanation_counts_on_other_nodes_when_the_key_of_its_mac_is_gone(a, b, cast, monkeypatch):
    forge_on(a)
    with a.here():
        verify_daily()
        explain_damage(actor(cast.owner), Verification.objects.latest("id").pk, "A test of the alarm.")
        seal_all(LEADER)
    assert sign_on(a, b)
    now = mac_ratchet._epoch_now()
    monkeypatch.setattr(mac_ratchet, "_epoch_now", lambda: now + 9)
    with b.here():
        add_events(1)
        seal_all(LEADER)
    assert sign_on(b, a) == TreeHead.objects.get().size


def test_a_node_that_only_agreed_misses_a_deleted_checkpoint(a, b):
    with a.here():
        add_events(1)
        seal_all(LEADER)
    assert sign_on(a, b) == 3
    b.beat()
    without_triggers()
    Checkpoint.objects.filter(size=3).delete()
    assert found_on(b) == found_on(a) == {"UNSIGNED"}


def test_a_node_that_starts_anew_misses_nothing(a, b):
    """After a restore the operator moves ``signed.json`` away, and the node's other memories go with it."""
    with b.here():
        add_events(1)
        seal_all(LEADER)
    assert sign_on(b, a) == 3
    without_triggers()
    Checkpoint.objects.filter(size=3).delete()
    for one in (a, b):
        (one.folder / "audit" / "signed.json").unlink()
        one.beat()
    assert sign_on(b, a) == 3
    assert found_on(a) == found_on(b) == set()


def test_the_unchecked_events_of_all_nodes_are_counted(a, b):
    for one in (a, b):
        path = one.folder / "audit" / "checked.json"
        kept = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps(kept | {"unchecked": 2}))
        one.beat()
    with b.here():
        verify_daily()
    assert Verification.objects.latest("id").unchecked == 4
    assert Node.objects.get(pk=a.row().pk).unchecked == 2
