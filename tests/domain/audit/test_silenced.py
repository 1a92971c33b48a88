"""An attacker with the database cannot silence an alarm by changing results, times or positions."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import pytest
from django.db import connection
from django.utils import timezone

from keys.actions.audit.verify import verify_daily
from keys.audit import anchors
from keys.audit.self_check import check
from keys.audit.signer import sign
from keys.jobs import schedule
from keys.jobs.sealing import seal_all
from keys.models import Anchor, Checkpoint, PeriodicJob, SiemTarget, Verification
from keys.selectors.health.audit_log import audit_health
from keys.selectors.health.verification import running
from keys.selectors.health.worker import late_jobs
from keys.siem.stream import stream
from keys.tlog.state_files import path_of
from keys.verifier.verify_bundle import Kind
from tests.domain.audit.test_erasures import blank
from tests.support.cases import in_one_test
from tests.support.sealed_log import add_events, without_triggers

ME = uuid.UUID(int=1)
FAR = datetime(2999, 1, 1, tzinfo=UTC)


def execute(sql: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)


def log_more(count: int = 2) -> list:
    events = add_events(count)
    seal_all(ME)
    sign()
    return events


@pytest.fixture
def damaged(signed_here) -> None:
    """A log whose damage the last verification has found."""
    blank(log_more()[0])
    verify_daily()
    assert audit_health().status == "damaged"


SILENCING = [
    "UPDATE keys_verification SET damage = '[]'",
    "UPDATE keys_verification SET failure = 'x', damage = '[]'",
    "UPDATE keys_verification SET finished_at = '2999-01-01 00:00:00+00:00', damage = '[]'",
    "DELETE FROM keys_verification",
    "UPDATE keys_verification SET finished_at = NULL",
    (
        "INSERT INTO keys_verification (asked_at, asked_by, finished_at, events, unsealed, erased, size, damage, failure, "
        "unchecked, uncompared, seal) SELECT asked_at, asked_by, finished_at, events, unsealed, erased, size, '[]', "
        "'', 0, 0, seal "
        "FROM keys_verification"
    ),
]


@in_one_test("sql", SILENCING)
@pytest.mark.usefixtures("damaged")
def test_a_changed_result_is_an_alarm(sql):
    execute(sql)
    assert audit_health().status == "changed"
    verify_daily()
    assert audit_health().status == "damaged"


@pytest.mark.parametrize("column", ["finished_at", "due_at"])
def test_a_job_with_a_future_time_is_late_or_due(db, column):
    schedule.make_rows()
    PeriodicJob.objects.update(finished_at=timezone.now(), due_at=timezone.now() + timedelta(seconds=5))
    execute(f"UPDATE keys_periodicjob SET {column} = %s WHERE name = 'verify'", FAR)
    if column == "finished_at":
        assert late_jobs(timezone.now()) == ["verify"]
    else:
        assert schedule.enqueue_due() == ["verify"]


def test_a_verification_from_the_future_does_not_block_the_button(db):
    Verification.objects.create(asked_at=FAR, asked_by="X")
    assert running() is None


def test_an_anchor_that_is_said_to_hold_more_gets_the_newest_checkpoint(signed_here, settings, tmp_path):
    settings.PORTAL_AUDIT_ANCHOR_FILE = tmp_path / "anchors.jsonl"
    Anchor.objects.create(name="file", size=10**9, delivered_at=FAR)
    log_more()
    anchors.deliver(timezone.now())
    assert settings.PORTAL_AUDIT_ANCHOR_FILE.exists()


def test_a_siem_that_is_said_to_have_more_gets_the_next_event(signed_here, settings, tmp_path):
    settings.PORTAL_SIEM_FILE = tmp_path / "siem.jsonl"
    SiemTarget.objects.create(name="file", next_index=10**9, retry_at=FAR)
    log_more()
    stream()
    log_more()
    stream()
    assert len(settings.PORTAL_SIEM_FILE.read_text().splitlines()) == 2


@pytest.mark.parametrize("which", ["size", "-size"])
def test_a_deleted_checkpoint_is_missed(signed_here, which):
    for _ in range(3):
        log_more()
    assert check().found == {}
    without_triggers()
    execute("DELETE FROM keys_checkpoint WHERE id = %s", Checkpoint.objects.order_by(which).first().pk)
    assert Kind.UNSIGNED in check().found
    log_more()
    assert check().found[Kind.UNSIGNED].times == 1


def test_the_chain_of_checkpoints_starts_with_those_of_the_database(signed_here):
    log_more()
    path_of("notes.json").unlink()
    log_more()
    assert check().found == {}
    without_triggers()
    execute("DELETE FROM keys_checkpoint WHERE size = 2")
    assert Kind.UNSIGNED in check().found


def test_checkpoints_of_another_machine_are_in_the_chain(signed_here, settings, tmp_path):
    log_more()
    settings.PORTAL_AUDIT_DIR = tmp_path / "other"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "ratchet.json").write_text((signed_here / "ratchet.json").read_text())
    log_more()
    settings.PORTAL_AUDIT_DIR = signed_here
    log_more()
    assert check().found == {}


def test_a_crash_before_the_checkpoint_is_stored_raises_no_alarm(signed_here):
    add_events(2)
    seal_all(ME)
    crash = mock.patch.object(Checkpoint.objects, "create", side_effect=KeyboardInterrupt)
    with crash, pytest.raises(KeyboardInterrupt):
        sign()
    assert not Checkpoint.objects.exists()
    assert sign().size == 2
    assert check().found == {}


def test_a_job_that_is_said_to_have_run_does_not_replace_a_verification(signed_here):
    log_more()
    verify_daily()
    seal_all(ME)
    sign()
    assert audit_health().status == "ok"
    PeriodicJob.objects.filter(name="verify").update(finished_at=timezone.now(), succeeded=True)
    with mock.patch("django.utils.timezone.now", return_value=timezone.now() + timedelta(days=4)):
        assert audit_health().status == "unverified"
