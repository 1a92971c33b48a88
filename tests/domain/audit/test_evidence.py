"""The evidence pack: state as of a time, with proofs that outsiders can check and nobody can forge."""

from __future__ import annotations

import base64
import io
import json
import shutil
import subprocess
import sys
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from keys.actions.audit.export_evidence import export_evidence
from keys.audit.reader import TOLERANCE, index_range
from keys.crypto import fingerprint
from keys.evidence.policy_as_of import note_policy
from keys.models import ApiKey, AuditEvent, Sealed, User
from keys.rules.errors import Conflict
from keys.verifier.verify_bundle import Kind
from tests.cast import actor, an_event
from tests.support.cases import in_one_test
from tests.support.packs import A_DAY, sheet, since_yesterday, unpacked, verify
from tests.support.sealed_log import add_events
from tests.support.signed_record import Kept, seal_and_sign, without_triggers


@pytest.fixture
def pack(kept: Kept, tmp_path: Path) -> Path:
    return unpacked(since_yesterday(), tmp_path / "pack")


# ---- Contents and proof


def test_a_pack_of_the_whole_log_is_complete_and_described(kept, pack):
    code, said = verify(pack, "--ratchet", kept.folder / "escrow.json", "--anchor", kept.anchors)
    assert (code, said[-1]) == (0, "No problems found.")
    assert said[0] == "The MAC of every event was checked."
    assert said[1].startswith("1 keys as of ")
    assert said[2].startswith("14 events from ")
    manifest = json.loads((pack / "manifest.json").read_text())
    assert manifest["keys"]["by_status"] == {"Removed": 1}
    assert "whatever its status, that was made at or before" in manifest["keys"]["query"]
    assert [row["Type"] for row in sheet(pack / "events.csv")][:3] == [
        "session:start",
        "key:request",
        "key:call",
    ]
    assert [
        row["Role"] for row in sheet(pack / "people.csv") if row["Email"] == "admin@contenzilla.example"
    ] == ["Admin"]
    assert "read:users" not in (pack / "keys.csv").read_text()
    assert sheet(pack / "keys.csv")[0]["Scopes"] == "Read users, Read teams"
    readme = (pack / "README.txt").read_text()
    assert {file.name for file in pack.iterdir()} <= set(readme.replace(",", " ").split()) | {"README.txt"}
    assert f"{manifest['keys']['count']} keys" in readme


@pytest.fixture
def begin(signed_here, monkeypatch) -> datetime:
    """Start time of a log written at once; it must be recent because MACs are made with the present epoch."""
    monkeypatch.setattr("keys.audit.reader.TOLERANCE", timedelta(seconds=1))
    return timezone.now() - timedelta(minutes=4)


def test_a_range_is_proved_without_the_rest_of_the_log(begin, tmp_path):
    AuditEvent.objects.bulk_create(
        an_event(at=begin + timedelta(seconds=number / 5)) for number in range(1000)
    )
    note_policy()
    seal_and_sign()
    period = begin + timedelta(seconds=80), begin + timedelta(seconds=120)
    assert index_range(*period, 1001) == (394, 606)  # with one event more on each side
    folder = unpacked(b"".join(export_evidence(None, *period)), tmp_path / "part")
    proof = json.loads((folder / "proof.json").read_text())
    assert len(proof["before"]) + len(proof["after"]) <= 2 * (1001).bit_length()
    assert len(sheet(folder / "events.csv")) == 200
    code, said = verify(folder)
    assert (code, said[-1]) == (0, "No problems found.")

    lines = (folder / "events.jsonl").read_text().splitlines(keepends=True)
    (folder / "events.jsonl").write_text("".join(lines[:100] + lines[101:]))
    code, said = verify(folder)
    assert code == 1
    assert {
        "events.jsonl was changed after the pack was signed.",
        "events.jsonl has event 495 instead of 494.",
        "events.jsonl ends before event 605; it must end before event 606.",
    } <= set(said)


@pytest.mark.parametrize("period", [(0, 3), (2, 2), (0, 1), (3, 4), (4, 9)])
def test_any_period_is_proved(begin, tmp_path, period):
    """Use five stretches, each with more events than the last. Some periods exceed them, some are empty."""
    note_policy()
    stretch = timedelta(seconds=30)
    for number in range(5):
        add_events(number, at=begin + number * stretch)
    seal_and_sign()
    first, last = period
    since, until = (
        begin + first * stretch - timedelta(seconds=5),
        begin + last * stretch + timedelta(seconds=5),
    )
    folder = unpacked(b"".join(export_evidence(None, since, until)), tmp_path / "part")
    found = [row["Type"] for row in sheet(folder / "events.csv")]
    assert found.count("session:start") == sum(number for number in range(5) if first <= number <= last)
    assert verify(folder)[0] == 0


def test_a_period_in_which_nothing_happened_is_proved_to_be_empty(begin, tmp_path):
    add_events(3, at=begin)
    add_events(3, at=begin + timedelta(minutes=2))
    note_policy()
    seal_and_sign()
    quiet = begin + timedelta(seconds=20), begin + timedelta(seconds=90)
    folder = unpacked(b"".join(export_evidence(None, *quiet)), tmp_path / "quiet")
    assert len(sheet(folder / "events.csv")) == 0
    assert len((folder / "events.jsonl").read_text().splitlines()) == 2  # the events next to the period
    assert verify(folder)[0] == 0


def test_unsigned_events_are_included_and_marked(kept, tmp_path):
    add_events(2)
    folder = unpacked(since_yesterday(), tmp_path / "pack")
    assert verify(folder)[0] == 0
    unsigned = [row["Type"] for row in sheet(folder / "events.csv") if row["Number"] == "not signed yet"]
    assert unsigned == ["session:start", "session:start", "session:start", "policy:apply"]


def test_erased_people_do_not_break_the_proof(kept, tmp_path):
    AuditEvent.objects.filter(type="key:issue").update(actor_name="", actor_email="", ip="", browser="", personal={}, salt=None)  # fmt: skip
    folder = unpacked(since_yesterday(), tmp_path / "pack")
    assert verify(folder)[0] == 0
    assert "erased" in [row["Who"] for row in sheet(folder / "events.csv")]


# ---- Forgeries


def replaced(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def a_key_less(pack: Path) -> None:
    (pack / "keys.jsonl").write_text("")


LIES = {
    "keys.jsonl was changed after the pack was signed.": a_key_less,
    "keys.jsonl has 0 keys": a_key_less,
    "people.csv was changed": lambda pack: replaced(pack / "people.csv", "Admin", "Owner"),
    "policy.json was changed": lambda pack: replaced(pack / "policy.json", "366", "9999"),
    "manifest.json was changed after it was signed.": lambda pack: replaced(
        pack / "manifest.json", '"count": 1', '"count": 2'
    ),
    "extra.txt is not named in manifest.json.": lambda pack: (pack / "extra.txt").write_text("Trust me."),
    "vkey was changed after the pack was signed.": lambda pack: (pack / "vkey").unlink(),
    "manifest.sig has no valid signature.": lambda pack: replaced(
        pack / "manifest.sig", "testserver/audit ", "another/audit "
    ),
    "COLUMNS at event 8": lambda pack: replaced(
        pack / "events.jsonl", '"type":"attempt:refuse","outcome"', '"type":"key:delete","outcome"'
    ),
}


@in_one_test("words", LIES)
def test_changes_to_a_pack_are_found(pack, words):
    LIES[words](pack)
    code, said = verify(pack)
    assert code == 1
    assert any(words in line for line in said)


def test_a_portal_cannot_prove_a_changed_event(kept, tmp_path):
    """The manifest is valid, but the event's bytes are not the bytes in the tree."""
    without_triggers()
    row = AuditEvent.objects.get(type="attempt:refuse")
    raw = bytes(row.leaf).replace(b"may not", b"may nod")
    assert raw != bytes(row.leaf)
    AuditEvent.objects.filter(pk=row.pk).update(leaf=raw, reason=row.reason.replace("may not", "may nod"))
    code, said = verify(unpacked(since_yesterday(), tmp_path / "pack"))
    assert code == 1
    assert any(line.startswith(f"{Kind.HASH.name} at event 8") for line in said)
    assert "The first 14 events do not give the signed root." in said
    assert not any("was changed after the pack was signed" in line for line in said)


def test_the_included_verifier_runs(pack):
    ran = subprocess.run(
        [sys.executable, "-E", "-s", "verify_pack.py", ".", "--vkey", "vkey"],
        capture_output=True, text=True, check=False, cwd=pack,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.endswith("No problems found.\n")


def test_an_unreadable_pack_is_not_reported_as_damaged(tmp_path, kept):
    assert verify(kept.folder / "no-such-pack.zip")[0] == 2
    cut = tmp_path / "cut.zip"
    cut.write_bytes(since_yesterday()[:-30])
    assert verify(cut)[0] == 2


# ---- The command, secrets, cost


def test_the_command_writes_a_pack(kept, tmp_path):
    file, out = tmp_path / "evidence.zip", io.StringIO()
    today = timezone.now().astimezone(UTC).date()
    call_command("evidence", "--from", str(today - A_DAY), "--to", str(today), "--output", file, stdout=out)
    assert verify(file)[0] == 0
    assert str(file) in out.getvalue()
    assert AuditEvent.objects.filter(type="evidence:export", actor_id=None).count() == 1


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("--from 2026-02-01 --to 2026-01-01", "must end after it begins"),
        ("--from 2026-01-01 --to 2026-02-01 --as-of 2999-01-01", "is in the future"),
        ("--from yesterday --to 2026-02-01", "neither a day such as"),
    ],
)
def test_the_command_reports_errors_and_leaves_no_file(db, tmp_path, asked, words):
    with pytest.raises(CommandError, match=words):
        call_command("evidence", *asked.split(), "--output", tmp_path / "evidence.zip")
    assert not list(tmp_path.glob("*evidence.zip*"))


def test_a_pack_needs_a_signing_key(db, settings):
    settings.PORTAL_AUDIT_SIGNING_KEY = b""
    with pytest.raises(Conflict, match="PORTAL_AUDIT_SIGNING_KEY is not set"):
        since_yesterday()
    assert not AuditEvent.objects.filter(type="evidence:export").exists()


def test_a_pack_contains_no_secret(kept, tmp_path, settings):
    plain = "ck_" + "canary" * 8
    print_ = fingerprint.compute(plain, peppers=settings.PORTAL_PEPPERS)
    ApiKey.objects.update(fingerprint=print_.digest, pepper_id=print_.pepper_id)
    User.objects.update(password="argon2$canary-of-a-password")
    folder = unpacked(since_yesterday(), tmp_path / "pack")
    secrets = [
        *(plain, "canary-of-a-password", print_.digest.hex(), base64.b64encode(print_.digest).decode()),
        *(pepper.hex() for pepper in settings.PORTAL_PEPPERS.values()),
        *(
            settings.CERBY_TOKEN,
            settings.CERBY_API_KEY,
            settings.SECRET_KEY,
            settings.PORTAL_AUDIT_SIGNING_KEY.hex(),
        ),
        *(kept.escrow()["key"], json.loads((kept.folder / "audit" / "ratchet.json").read_text())["key"]),
    ]
    everything = "".join(file.read_text() for file in folder.iterdir() if file.is_file())
    assert "key:reveal" in everything
    assert [secret for secret in secrets if secret and secret in everything] == []


def test_memory_stays_flat(signed_here, monkeypatch):
    monkeypatch.setattr("keys.audit.reader.PAGE", 100)

    def peak(count: int) -> int:
        add_events(count - Sealed.objects.count())
        seal_and_sign()
        pack = export_evidence(None, timezone.now() - A_DAY, timezone.now())
        tracemalloc.start()
        for _ in pack:
            pass
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak

    first = peak(300)
    assert peak(1200) < first * 1.25


def test_the_range_includes_events_out_of_time_order(signed_here):
    begin = timezone.now() - A_DAY
    for minutes in (0, 10, 4, 20, 16, 30):  # sealed in this order because clocks differ
        an_event(at=begin + timedelta(minutes=minutes)).save()
    seal_and_sign()
    assert index_range(begin + timedelta(minutes=11), begin + timedelta(minutes=17), 6) == (2, 6)
    assert timedelta(minutes=5) == TOLERANCE


def test_the_pack_names_the_person_who_requested_it(kept, workspace, tmp_path):
    """The log was written some time ago, so Cerby confirms the person's role again."""
    now = timezone.now()
    User.objects.update(role_checked_at=now - A_DAY, added_at=now, is_active=True)
    admin = User.objects.get(email="admin@contenzilla.example")
    folder = unpacked(b"".join(export_evidence(actor(admin), now - A_DAY, now)), tmp_path / "pack")
    assert json.loads((folder / "manifest.json").read_text())["asked_by"] == "Admin Person"
    shutil.rmtree(folder)
