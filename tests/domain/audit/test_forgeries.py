"""Events that the portal did not write are never signed in silence, whatever an attacker does in the database."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from keys.actions.audit.explain_damage import explain_damage
from keys.actions.audit.verify import verify_daily
from keys.audit import forgeries, log
from keys.audit.bundle import write_bundle
from keys.audit.self_check import check
from keys.audit.signer import sign
from keys.jobs.sealing import seal_all
from keys.models import AuditEvent, Checkpoint, Sealed, TreeHead, Verification
from keys.rules.events import Event
from keys.selectors.health.audit_log import audit_health
from keys.tlog import mac_ratchet, merkle
from keys.tlog.checkpoint import vkeys
from keys.tlog.state_files import path_of
from keys.verifier.verify_bundle import Kind, bundle_at, known_keys, verify
from tests.cast import actor, record_people
from tests.domain.audit.test_merkle import naive
from tests.support.cases import in_one_test
from tests.support.sealed_log import add_events, is_whole, without_triggers

ME = uuid.UUID(int=1)
INSERT = """
    INSERT INTO keys_auditevent (uid, leaf, mac, mac_chain, mac_epoch, at, type, outcome, actor_name, actor_email,
        actor_role, key_name, ip, browser, reason, details, personal, salt)
    VALUES (%s, %s, %s, %s, %s, %s, %s, 'done', 'The portal', '', '', '', '', '', '', '{details}', '{{}}', %s)
"""


def execute(sql: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)


def insert_forged(kind: str = "session:end", epoch: int | None = None, **details: object) -> None:
    """Insert an event as somebody with the database can: its leaf is right, and its MAC is random."""
    said = {"id": str(uuid.uuid4()), "at": timezone.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ"), "reason": ""}
    row = log.row(said | {"type": f"{kind}:done", "actor": None, "key": None, "details": details})
    uid = row.uid.hex if connection.vendor == "sqlite" else row.uid
    execute(
        INSERT.format(details=json.dumps(details).replace("%", "%%")),
        *(
            uid,
            row.leaf,
            b"x" * 32,
            row.mac_chain,
            row.mac_epoch if epoch is None else epoch,
            row.at,
            kind,
            row.salt,
        ),
    )


@pytest.fixture
def forged(signed_here: Path) -> Path:
    """A signed log to which an attacker has added an event, which was sealed since."""
    add_events(2)
    seal_all(ME)
    sign()
    insert_forged()
    seal_all(ME)
    return signed_here


def found() -> dict[Kind, int]:
    return {damage.kind: damage.index for damage in check().damage if damage.kind is not Kind.GUARDS}


@pytest.mark.usefixtures("forged")
def test_a_forged_event_is_an_event_itself_sealed_with_it():
    notice = AuditEvent.objects.get(type=Event.FORGERY_FOUND)
    assert notice.details == {"events": [2], "leaves": [bytes(Sealed.objects.get(index=2).leaf_hash).hex()]}
    assert notice.sealed.index == 3
    is_whole()


@in_one_test(
    "pardon",
    [
        "forged = NULL, forged_times = NULL",
        "forged = NULL",
        "forged = 3",
        "forged_times = 0",
        "forged_times = NULL",
    ],
)
@pytest.mark.usefixtures("forged")
def test_the_flag_is_one_way(pardon):
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        execute(f"UPDATE keys_treehead SET {pardon}")


@pytest.mark.usefixtures("forged")
def test_taking_the_flag_back_without_the_trigger_hides_nothing():
    without_triggers()
    execute("DROP TRIGGER IF EXISTS keys_treehead_no_pardon" + ON_HEAD[connection.vendor])
    execute("UPDATE keys_treehead SET forged = NULL, forged_times = NULL")
    assert found()[Kind.FORGED] == 2
    assert sign() is None
    assert "Event 2 was not written by the portal" in TreeHead.objects.get().refusal
    assert audit_health().status in {"forged", "unguarded"}


ON_HEAD = {"sqlite": "", "postgresql": " ON keys_treehead"}


def test_the_file_alone_remembers_it(forged):
    """The attacker has removed the notice and the flag, and has rebuilt the tree without the notice."""
    without_triggers()
    execute("DROP TRIGGER IF EXISTS keys_treehead_no_pardon" + ON_HEAD[connection.vendor])
    notice = AuditEvent.objects.get(type=Event.FORGERY_FOUND)
    Sealed.objects.filter(event=notice).delete()
    notice.delete()
    root = naive([bytes(row.leaf_hash) for row in Sealed.objects.order_by("index")])
    TreeHead.objects.update(forged=None, forged_times=None, size=3, root=root)
    assert found()[Kind.FORGED] == 2
    assert sign() is None
    assert Checkpoint.objects.count() == 1


def test_an_event_put_straight_into_the_tree_is_not_signed(signed_here):
    """The attacker seals it as well, so that the sequencer never sees it."""
    add_events(2)
    seal_all(ME)
    sign()
    without_triggers()
    insert_forged()
    put_into_tree(AuditEvent.objects.latest("id"), 2)
    assert sign() is None
    assert "Event 2 was not written by the portal" in TreeHead.objects.get().refusal
    seal_all(ME)
    assert found()[Kind.FORGED] == 2
    assert Checkpoint.objects.count() == 1


def test_checked_events_cannot_be_replaced_before_they_are_signed(signed_here, settings):
    add_events(2)
    seal_all(ME)
    sign()
    insert_forged()
    seal_all(ME)
    assert sign() is None  # not explained, but checked
    without_triggers()
    execute('UPDATE keys_sealed SET leaf_hash = %s WHERE "index" = 2', bytes(32))
    root = naive([bytes(row.leaf_hash) for row in Sealed.objects.order_by("index")])
    execute("UPDATE keys_treehead SET root = %s", root)
    assert sign() is None
    assert "not the events that were checked" in TreeHead.objects.get().refusal


@pytest.mark.usefixtures("forged")
def test_an_explanation_lets_the_signing_go_on_and_the_report_keeps_the_forgery(cast):
    record_people()
    verify_daily()
    assert sign() is None
    explain_damage(
        actor(cast.owner), Verification.objects.latest("id").pk, "The disk of node 2 was repaired."
    )
    seal_all(ME)
    assert sign() is not None
    assert found() == {Kind.FORGED: 2}
    assert audit_health().status == "ok"
    verify_daily()
    assert Verification.objects.latest("id").damage[0]["kind"] == "FORGED"

    insert_forged()  # another one needs another explanation
    seal_all(ME)
    assert sign() is None
    assert audit_health().status == "forged"


@pytest.mark.usefixtures("forged")
def test_an_explanation_that_the_attacker_inserts_does_not_count():
    insert_forged(
        "record:explain", damage=["FORGED at event 2", "FORGED at event 2, 2 times"], explanation="x"
    )
    assert sign() is None
    seal_all(ME)
    assert sign() is None
    assert audit_health().status == "forged"


@pytest.mark.usefixtures("forged")
def test_an_auditor_without_the_mac_key_is_told(tmp_path):
    with (tmp_path / "record.zip").open("wb") as file:
        write_bundle(file)
    bundle, _ = bundle_at(tmp_path / "record.zip")
    report = verify(bundle, known_keys(vkeys()))
    assert report.found[Kind.FORGED].index == 2
    assert str(report).startswith("The MAC of all 4 events was not checked")


def test_the_first_line_says_if_macs_were_not_checked(kept):
    assert str(check()).startswith("The MAC of all 15 events was not checked")
    assert str(check(escrows=[kept.escrow()])).startswith("The MAC of every event was checked.")


def test_an_event_whose_key_is_gone_is_counted_as_unchecked(signed_here):
    """The events of a portal without a worker wait, so nobody can tell whether it wrote them."""
    insert_forged(epoch=mac_ratchet.mac(b"").epoch - 9)
    seal_all(ME)
    assert sign() is not None
    verify_daily()
    assert Verification.objects.latest("id").unchecked == 1
    assert json.loads(path_of("checked.json").read_text())["unchecked"] == 1


@pytest.mark.parametrize("how", ["queued", "sealed as well"])
def test_a_worker_knows_that_an_old_mac_is_forged(signed_here, how):
    """It has seen an empty queue since, so the portal cannot have written the event that long ago."""
    add_events(2)
    seal_all(ME)
    sign()
    insert_forged(epoch=mac_ratchet.mac(b"").epoch - 9)
    if how == "sealed as well":
        put_into_tree(AuditEvent.objects.latest("id"), 2)
        assert sign() is None
    seal_all(ME)
    assert sign() is None
    assert found()[Kind.FORGED] == 2


@pytest.mark.usefixtures("forged")
def test_an_explanation_whose_mac_nobody_could_check_does_not_count():
    epoch = mac_ratchet.mac(b"").epoch - 9
    insert_forged("record:explain", epoch=epoch, damage=["FORGED at event 2"], explanation="x")
    with mock.patch.object(forgeries._Watch, "path", None):  # a worker that has just started
        seal_all(ME)
        assert sign() is None
    assert audit_health().status == "forged"


def put_into_tree(event: AuditEvent, index: int) -> None:
    leaf_hash = merkle.leaf_hash(bytes(event.leaf))
    sql = 'INSERT INTO keys_sealed ("index", event_id, leaf_hash) VALUES (%s, %s, %s)'
    execute(sql, index, event.pk, leaf_hash)
    root = naive([bytes(row.leaf_hash) for row in Sealed.objects.order_by("index")])
    execute("UPDATE keys_treehead SET size = %s, root = %s", index + 1, root)
