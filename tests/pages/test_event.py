"""Test the page of one event: its details, its proof, and the message if there is no proof yet."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid

import pytest

from keys.audit.signer import sign
from keys.jobs.sealing import seal_all
from keys.models import AuditEvent, Checkpoint
from keys.tlog.checkpoint import signer
from keys.verifier.verify_bundle import __file__ as verifier
from tests.cast import a_key, an_event
from tests.pages.helpers import elements, links, text, words

ME = uuid.UUID(int=1)


@pytest.fixture
def admin(browser_of, settings, tmp_path):
    settings.PORTAL_AUDIT_DIR = tmp_path / "audit"
    return browser_of("admin")


@pytest.fixture
def event(cast) -> AuditEvent:
    key = a_key(cast.owner, name="Payroll")
    made = an_event(
        type="key:call",
        key_id=key.id,
        key_name=key.name,
        actor_id=cast.owner.pk,
        actor_name="Ada",
        actor_email="ada@x.example",
        reason="Because.",
    )
    for each in (an_event(), made, an_event()):
        each.save()
    return made


def sealed_and_signed() -> None:
    seal_all(ME)
    assert sign()


def test_the_page_shows_the_event_whole(admin, event):
    page = admin.get(f"/activity/{event.uid}/")
    shown = text(page)
    for part in ("Asked Cerby for the key", "Ada ada@x.example", "Reason Because."):
        assert part in shown
    assert links(page)["Payroll"] == f"/keys/{event.key_id}/"
    assert links(page)["Ada"] == f"/people/{event.actor_id}/"
    [*_, leaf] = elements(page, "pre")
    assert json.loads(words(leaf)) == json.loads(bytes(event.leaf))


def test_an_event_that_is_not_sealed_or_signed_yet(admin, event):
    address = f"/activity/{event.uid}/"
    assert "not sealed yet" in text(admin.get(address))
    assert admin.get(f"{address}proof/").status_code == 404
    seal_all(ME)
    assert "not signed yet" in text(admin.get(address))


def test_the_proof_is_one_that_the_verifier_takes(admin, event, tmp_path):
    sealed_and_signed()
    page = admin.get(f"/activity/{event.uid}/")
    assert "Index in the log 1 Signed checkpoint Covers 3 events" in text(page)
    response = admin.get(f"/activity/{event.uid}/proof/")
    assert response["Content-Disposition"] == 'attachment; filename="event-1.tlog-proof"'
    proof = tmp_path / "event.tlog-proof"
    proof.write_bytes(response.content)
    ran = subprocess.run(
        [sys.executable, "-I", verifier, "--proof", proof, "--vkey", signer().vkey],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "This is event 1 of the 3 events that were signed" in ran.stdout
    assert '"reason":"Because."' in ran.stdout


def test_the_proof_is_of_the_newest_checkpoint(admin, event):
    sealed_and_signed()
    an_event().save()
    sealed_and_signed()
    assert (
        admin.get(f"/activity/{event.uid}/proof/")
        .content.decode()
        .endswith(Checkpoint.objects.get(size=4).note)
    )


def test_no_proof_is_shown_that_does_not_hold(admin, event):
    sealed_and_signed()
    Checkpoint.objects.create(size=9, root=b"r" * 32, at=event.at, note="…")
    shown = text(admin.get(f"/activity/{event.uid}/"))
    assert "The proof is not valid" in shown


def test_an_erased_event_keeps_its_proof(admin, event):
    sealed_and_signed()
    AuditEvent.objects.filter(pk=event.pk).update(
        actor_name="", actor_email="", ip="", browser="", personal={}, salt=None
    )
    shown = text(admin.get(f"/activity/{event.uid}/"))
    assert "The personal data in this event was erased." in shown
    assert "Covers 3 events" in shown


def test_an_event_that_does_not_exist_is_not_found(admin):
    assert admin.get(f"/activity/{uuid.uuid4()}/").status_code == 404


def test_the_activity_leads_to_it(admin, event):
    page = admin.get("/activity/")
    assert f"/activity/{event.uid}/" in links(page).values()
