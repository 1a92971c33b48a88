"""Streaming to a SIEM: every sealed event, in order, at least once, even to a slow or failing target."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from keys.delivery.ledger import FIRST_PAUSE, LONGEST_PAUSE
from keys.jobs.schedule import JOBS, make_rows
from keys.jobs.tasks import siem
from keys.models import AuditEvent, PeriodicJob, Sealed, SiemTarget
from keys.rules.event_contents import DETAILS, OUTCOMES
from keys.rules.events import Event
from keys.siem.stream import stream
from tests.cast import an_event
from tests.pages.helpers import text
from tests.support import syslog, tls
from tests.support.cases import in_one_test
from tests.support.sealed_log import add_events
from tests.support.signed_record import seal_and_sign


@pytest.fixture
def file(signed_here, settings, tmp_path) -> Path:
    settings.PORTAL_SIEM_FILE = tmp_path / "siem.jsonl"
    return settings.PORTAL_SIEM_FILE


def happen(count: int) -> None:
    add_events(count)
    seal_and_sign()


def numbers(lines: str) -> list[int]:
    return [json.loads(line)["metadata"]["sequence"] for line in lines.splitlines()]


# ---- The file and the position


def test_it_reports_that_none_is_configured(signed_here):
    assert stream() == "No SIEM is set up"


def test_a_file_gets_every_event_once_without_failures(file, monkeypatch):
    monkeypatch.setattr("keys.siem.stream.BATCH", 3)
    happen(7)
    assert stream() == "file: 7 sent"
    assert stream() == "file: 0 sent"
    happen(2)
    assert stream() == "file: 2 sent"
    assert numbers(file.read_text()) == list(range(9))


def test_unsealed_events_are_not_sent(file):
    add_events(2)
    assert stream() == "file: 0 sent"


def test_a_batch_is_sent_again_if_the_delivery_was_not_recorded(file, monkeypatch):
    monkeypatch.setattr("keys.siem.stream.BATCH", 2)
    happen(4)

    def dies(self: Any, *_: Any, **__: Any) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr("django.db.models.query.QuerySet.update", dies)
        with pytest.raises(KeyboardInterrupt):
            stream()
    assert numbers(file.read_text()) == [0, 1]
    stream()
    assert numbers(file.read_text()) == [0, 1, 0, 1, 2, 3]


def test_an_unfinished_line_is_ended_first(file):
    happen(1)
    file.write_text('{"half a li')
    stream()
    first, second = file.read_text().splitlines()
    assert first == '{"half a li'
    assert numbers(second) == [0]


# ---- Failing and slow targets


def test_a_failing_target_backs_off_and_the_others_go_on(file, settings):
    settings.PORTAL_SIEM_SYSLOG = "tcp://127.0.0.1:9"
    happen(2)
    now, pauses = timezone.now(), []
    for _ in range(9):
        stream(now)
        row = SiemTarget.objects.get(name="syslog")
        pauses.append(row.retry_at - now)
        assert stream(now).endswith(f"waits until {row.retry_at:%H:%M:%S}, Connection refused.")
        now = row.retry_at
    assert pauses[:3] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert pauses[-1] == LONGEST_PAUSE
    assert numbers(file.read_text()) == [0, 1]
    assert (row.next_index, row.failure) == (0, "Connection refused.")


def test_a_recovered_target_gets_the_missed_events(signed_here, settings, tmp_path):
    settings.PORTAL_SIEM_FILE = tmp_path / "not yet" / "siem.jsonl"
    happen(2)
    assert stream() == "file: fails: No such file or directory."
    settings.PORTAL_SIEM_FILE.parent.mkdir()
    happen(1)
    assert stream(timezone.now() + FIRST_PAUSE) == "file: 3 sent"
    healed = SiemTarget.objects.get()
    assert (healed.failing_since, healed.failure, healed.attempts, healed.retry_at) == (None, "", 0, None)


def test_a_slow_target_gets_one_batch_per_run(file, monkeypatch):
    monkeypatch.setattr("keys.siem.stream.BATCH", 2)
    monkeypatch.setattr("keys.siem.stream.SECONDS_PER_RUN", 0)  # every target exceeds this
    happen(5)
    assert [stream() for _ in range(3)] == ["file: 2 sent", "file: 2 sent", "file: 1 sent"]
    assert numbers(file.read_text()) == list(range(5))


def test_health_shows_how_far_behind_each_target_is(file, settings, browser_of):
    admin = browser_of("admin")
    seal_and_sign()
    SiemTarget.objects.create(name="file", next_index=Sealed.objects.count())
    assert "File Up to date" in text(admin.get("/settings/health/"))
    an_event(at=timezone.now() - timedelta(minutes=7, seconds=5)).save()
    happen(1)
    settings.PORTAL_SIEM_FILE = file / "no folder"
    file.touch()
    stream()
    shown = text(admin.get("/settings/health/"))
    assert "File 2 events and 7 minutes behind failing Since" in shown
    assert "Not a directory." in shown


def test_the_job_runs_every_ten_seconds_and_records_its_result(file):
    happen(1)
    make_rows()
    siem.func()
    row = PeriodicJob.objects.get(name="siem")
    assert (row.succeeded, row.summary, JOBS["siem"].every) == (True, "file: 1 sent", timedelta(seconds=10))


# ---- Over the network


def test_tcp_syslog_gets_a_batch_with_octet_counts(signed_here, settings):
    happen(3)
    with syslog.tcp_server() as (address, received):
        settings.PORTAL_SIEM_SYSLOG = address
        assert stream() == "syslog: 3 sent"
    rest, texts = b"".join(received), []
    while rest:
        length, _, rest = rest.partition(b" ")
        message, rest = rest[: int(length)].decode(), rest[int(length) :]
        assert message.startswith("<109>1 ")
        texts.append(message.partition(" event - ")[2])
    assert numbers("\n".join(texts)) == [0, 1, 2]


def test_udp_syslog_gets_one_event_per_datagram(signed_here, settings):
    happen(2)
    with syslog.udp_server() as (address, receive):
        settings.PORTAL_SIEM_SYSLOG = address
        assert stream() == "syslog: 2 sent"
        texts = [receive().partition(" event - ")[2] for _ in range(2)]
    assert numbers("\n".join(texts)) == [0, 1]


def test_https_gets_json_lines_with_the_token(signed_here, settings, tmp_path, monkeypatch):
    happen(2)
    settings.PORTAL_SIEM_TOKEN = "siem-token"
    later = timezone.now() + LONGEST_PAUSE
    with tls.known_here(tmp_path, monkeypatch) as hook:
        settings.PORTAL_SIEM_URL = f"https://{tls.NAME}:{hook.port}/in"
        assert "which is not public." in stream()
        settings.PORTAL_SIEM_URL_PRIVATE = True
        hook.status = 503
        assert stream(later) == f"https: fails: {tls.NAME} answered 503."
        hook.status = 200
        assert stream(later + LONGEST_PAUSE) == "https: 2 sent"
    assert [numbers(body.decode()) for _, _, body in hook.taken] == [[0, 1], [0, 1]]
    assert hook.tokens == ["Bearer siem-token"] * 2


# ---- The OCSF format


@pytest.fixture
def shape_of(file):
    def shape(kind: str, **facts: Any) -> dict[str, Any]:
        an_event(type=kind, **facts).save()
        seal_and_sign()
        stream()
        return json.loads(file.read_text().splitlines()[-1])

    return shape


def test_a_sign_in_is_an_authentication(shape_of):
    shape = shape_of("session:start", actor_id=7, actor_email="ada@contenzilla.example", actor_role="Admin")
    event = AuditEvent.objects.get()
    wanted = {
        "class_uid": 3002, "category_uid": 3, "activity_id": 1, "type_uid": 300201, "severity_id": 1, "status_id": 1,
        "time": int(event.at.timestamp() * 1000), "message": "Signed in",
    }  # fmt: skip
    assert wanted.items() <= shape.items()
    assert shape["metadata"]["uid"] == str(event.uid)
    assert shape["metadata"]["version"] == "1.1.0"
    assert shape["user"] == shape["actor"]["user"]
    assert shape["user"]["email_addr"] == "ada@contenzilla.example"
    assert shape["service"]


@in_one_test(
    "kind, facts, type_uid",
    [
        ("key:issue", {"key_id": "5c1ee4a2-4c6c-4a62-9f64-6a8f2f3d8b11"}, 300401),
        ("key:reveal", {"key_id": "5c1ee4a2-4c6c-4a62-9f64-6a8f2f3d8b11"}, 300402),
        ("key:rescope", {"key_id": "5c1ee4a2-4c6c-4a62-9f64-6a8f2f3d8b11"}, 300403),
        ("key:delete", {"key_id": "5c1ee4a2-4c6c-4a62-9f64-6a8f2f3d8b11"}, 300404),
        (
            "person:change",
            {"details": {"email": "a@b.example", "before": {}, "after": {"may sign in": "no"}}},
            300105,
        ),
        ("session:revoke", {"details": {"email": "a@b.example"}}, 300202),
        ("person:remove", {"details": {"email": "a@b.example", "before": {}, "after": {}}}, 300105),
        ("inventory:export", {"details": {"filter": "everything", "count": 1}}, 600302),
        ("quarantine:start", {"details": {"cause": "clock"}}, 600399),
    ],
)
def test_each_kind_has_its_class(shape_of, kind, facts, type_uid):
    assert shape_of(kind, **facts)["type_uid"] == type_uid


def test_a_refusal_is_a_failure_with_its_reason(shape_of):
    shape = shape_of("attempt:refuse", outcome="refused", reason="No.", details={"action": "key:delete"})
    assert (shape["status_id"], shape["severity_id"], shape["status_detail"]) == (2, 3, "No.")
    assert shape["api"] == {"operation": "attempt:refuse"}
    assert shape["unmapped"]["details"] == {"action": "key:delete"}


REQUIRED = {
    3001: {"user"},
    3002: {"user", "service"},
    3004: {"entity"},
    6003: {"api", "actor", "src_endpoint"},
}


def test_every_event_has_what_its_class_requires(file):
    """OCSF 1.1: the classes' required attributes."""
    for event in Event:
        for outcome in OUTCOMES.get(event, {"done"}):
            details = {name: {} if name in {"before", "after"} else "x" for name in DETAILS.get(event, ())}
            key = {"key_id": "5c1ee4a2-4c6c-4a62-9f64-6a8f2f3d8b11"} if event.value.startswith("key:") else {}
            an_event(type=event.value, outcome=outcome, details=details, **key).save()
    seal_and_sign()
    stream()
    shapes = [json.loads(line) for line in file.read_text().splitlines()]
    assert len(shapes) == AuditEvent.objects.count()
    for shape in shapes:
        assert REQUIRED[shape["class_uid"]] <= shape.keys()
        assert shape["type_uid"] == shape["class_uid"] * 100 + shape["activity_id"]
