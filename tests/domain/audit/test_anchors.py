"""Anchors: each receives the signed checkpoints at least once, independently of the others."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.core import mail
from django.utils import timezone

from keys.audit import anchors
from keys.models import Anchor, Checkpoint
from keys.tlog.checkpoint import signer
from keys.verifier.verify_bundle import known_keys, notes_of, read_note
from tests.domain.audit.test_signing import seal_and_sign
from tests.pages.helpers import text
from tests.support import syslog, tls

NOW = timezone.now()


@pytest.fixture
def signed(signed_here):
    """Three events, signed."""
    return seal_and_sign(3)


@pytest.fixture
def file(settings, tmp_path) -> Path:
    settings.PORTAL_AUDIT_ANCHOR_FILE = tmp_path / "anchors.jsonl"
    return settings.PORTAL_AUDIT_ANCHOR_FILE


def size_of(note: str) -> int:
    """Return the checkpoint's size after checking its signature."""
    return read_note(note, known_keys([signer().vkey])).size


def test_it_reports_that_nothing_is_signed_or_configured(signed_here, file, settings):
    assert anchors.deliver(NOW) == "Nothing is signed yet"
    seal_and_sign(1)
    settings.PORTAL_AUDIT_ANCHOR_FILE = None
    assert anchors.deliver(NOW) == "No anchor is set up"


def test_the_file_is_appended_to_once_per_checkpoint(signed, file):
    assert anchors.deliver(NOW) == "file: holds 3"
    assert anchors.deliver(NOW) == "file: holds 3"
    first = file.read_bytes()
    seal_and_sign(2)
    anchors.deliver(NOW)
    assert file.read_bytes().startswith(first)
    assert [size_of(line["note"]) for line in notes_of(file)] == [3, 5]
    assert json.loads(first)["anchor"] == "file"
    assert Anchor.objects.get().size == 5


def test_a_failing_anchor_does_not_stop_the_others(signed, file, settings, tmp_path):
    settings.PORTAL_AUDIT_ANCHOR_FILE = tmp_path / "no such folder" / "anchors.jsonl"
    settings.PORTAL_AUDITOR_EMAILS = ("ada@example.com",)
    assert anchors.deliver(NOW) == "file: fails: No such file or directory.; mail: holds 3"
    anchors.deliver(NOW + timedelta(minutes=5))
    failing = Anchor.objects.get(name="file")
    assert (failing.size, failing.failing_since, failing.failure) == (0, NOW, "No such file or directory.")

    settings.PORTAL_AUDIT_ANCHOR_FILE = file
    anchors.deliver(NOW)
    healed = Anchor.objects.get(name="file")
    assert (healed.size, healed.failing_since, healed.failure) == (3, None, "")


def test_a_checkpoint_is_delivered_again_if_the_delivery_was_not_recorded(signed, file):
    anchors.deliver(NOW)
    Anchor.objects.all().delete()
    anchors.deliver(NOW)
    assert [size_of(line["note"]) for line in notes_of(file)] == [3, 3]


def test_udp_syslog_gets_one_rfc_5424_message(signed, settings, tmp_path):
    with syslog.udp_server() as (address, receive):
        settings.PORTAL_AUDIT_ANCHOR_SYSLOG = address
        assert anchors.deliver(NOW) == "syslog: holds 3"
        message = receive()
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"
    assert re.fullmatch(rf"<109>1 {stamp} \S+ key-portal \d+ checkpoint - \{{.*\}}", message)
    (tmp_path / "messages").write_text(message + "\n")
    assert [size_of(line["note"]) for line in notes_of(tmp_path / "messages")] == [3]


def test_tcp_syslog_uses_octet_counting(signed, settings):
    with syslog.tcp_server() as (address, received):
        settings.PORTAL_AUDIT_ANCHOR_SYSLOG = address
        assert anchors.deliver(NOW) == "syslog: holds 3"
    length, _, message = b"".join(received).partition(b" ")
    assert int(length) == len(message)
    assert message.startswith(b"<109>1 ")


def test_tcp_syslog_without_a_server_fails(signed, settings):
    settings.PORTAL_AUDIT_ANCHOR_SYSLOG = "tcp://127.0.0.1:9"
    assert anchors.deliver(NOW) == "syslog: fails: Connection refused."


def test_a_webhook_gets_the_signed_note_itself(signed, settings, tmp_path, monkeypatch):
    with tls.known_here(tmp_path, monkeypatch) as hook:
        settings.PORTAL_AUDIT_ANCHOR_WEBHOOK = f"https://{tls.NAME}:{hook.port}/"
        assert (
            anchors.deliver(NOW)
            == f"webhook: fails: {tls.NAME} has the address 127.0.0.1, which is not public."
        )
        settings.PORTAL_AUDIT_ANCHOR_WEBHOOK_PRIVATE = True
        hook.status = 500
        assert anchors.deliver(NOW) == f"webhook: fails: {tls.NAME} answered 500."
        hook.status = 200
        assert anchors.deliver(NOW) == "webhook: holds 3"
    assert [body.decode() for _, _, body in hook.taken] == [Checkpoint.objects.get().note] * 2


def test_the_auditors_get_one_mail_a_day(signed, settings):
    settings.PORTAL_AUDITOR_EMAILS = ("ada@example.com", "grace@example.com")
    for hours in (0, 1, 23):
        anchors.deliver(NOW + timedelta(hours=hours))
        seal_and_sign(1)
    [first] = mail.outbox
    assert (first.to, first.subject) == (
        ["ada@example.com", "grace@example.com"],
        "Cerby Key Portal: 3 events are signed",
    )
    anchors.deliver(NOW + timedelta(hours=25))
    assert len(mail.outbox) == 2
    anchors.deliver(NOW + timedelta(hours=50))
    assert len(mail.outbox) == 2  # nothing is new


def test_a_saved_mail_is_an_anchor(signed, settings, tmp_path):
    settings.PORTAL_AUDITOR_EMAILS = ("ada@example.com",)
    anchors.deliver(NOW)
    saved = tmp_path / "mail.txt"
    saved.write_text(f"From: {mail.outbox[0].from_email}\n\n{mail.outbox[0].body}\n--\nA footer.\n")
    assert [size_of(line["note"]) for line in notes_of(saved)] == [3]


def test_health_shows_the_position_of_each_anchor(signed, file, settings, browser_of):
    admin = browser_of("admin")
    assert "None: a person who controls the database" not in text(admin.get("/settings/health/"))
    settings.PORTAL_AUDIT_ANCHOR_SYSLOG = "tcp://127.0.0.1:9"
    anchors.deliver(NOW)
    shown = text(admin.get("/settings/health/"))
    assert "Anchor: file Holds 3 events" in shown
    assert "Anchor: syslog Holds 0 events failing Since" in shown
    assert "Connection refused." in shown
    settings.PORTAL_AUDIT_ANCHOR_SYSLOG = settings.PORTAL_AUDIT_ANCHOR_FILE = ""
    assert "None: a person who controls the database" in text(admin.get("/settings/health/"))
