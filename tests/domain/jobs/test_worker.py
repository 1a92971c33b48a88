"""Test the worker process: it survives database outages, and a slow queue does not delay the others."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from keys.audit import log
from keys.jobs import tasks
from keys.jobs.schedule import JOBS
from keys.models import Unsealed, Verification
from keys.rules.events import Event
from tests.support import own_database
from tests.support.nodes import ANode
from tests.support.postgresql_server import Server, serving
from tests.support.prepared import MIGRATED
from tests.support.workers import PATIENCE, Workers, due_again, noted, wait_until

OUTAGE = 5.0  # seconds; longer than the pauses of the worker's threads, so that each of them notices it
PROMPTLY, UNNOTICED = 14.0, 40.0  # seconds; a task may be running when an outage begins

pytestmark = pytest.mark.long


# ---- PostgreSQL is stopped


@pytest.fixture
def server(workspace, postgresql_data, django_db_blocker) -> Iterator[Server]:
    """Start a PostgreSQL server that the test can stop, with the portal's database."""
    with serving(postgresql_data) as server, django_db_blocker.unblock():
        server.create("portal", template=MIGRATED)
        yield server


@pytest.fixture
def workers(server, settings, tmp_path) -> Workers:
    return Workers(tmp_path, server.url("portal"), settings)


def test_it_survives_a_database_outage_restarts_the_interrupted_task_and_stops_in_the_next_outage(
    server, workers, sandbox, tmp_path
):
    sandbox.faults.set([{"fault": "hang-uncommitted", "route": "GET /api/v1/api-keys", "seconds": 3}])
    with workers.one() as worker:
        with own_database.using(server.url("portal")):
            wait_until(noted("sweep", started_at__isnull=False))
        server.stop(signal.SIGINT)
        sandbox.faults.clear()
        time.sleep(OUTAGE)
        assert worker.poll() is None
        server.start()
        with own_database.using(server.url("portal")), ANode(tmp_path).here():
            back = timezone.now()
            due_again("reconcile")
            log.append(Event.SIGNED_OUT, actor=None)
            wait_until(noted("sweep", succeeded_at__gt=back))
            wait_until(noted("reconcile", succeeded_at__gt=back))
            wait_until(lambda: not Unsealed.objects.exists())
        assert [word for word in workers.said() if word.startswith("database_")] == [
            "database_away",
            "database_back",
        ]
        server.stop()
        wait_until(lambda: workers.said().count("database_away") == 2)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(PROMPTLY) == 0


@pytest.mark.nightly
def test_it_can_start_before_its_database_and_stops_before_it_notices_an_outage(server, workers):
    server.stop(signal.SIGINT)  # in good order, because the tests' server can lose its last commits otherwise
    with workers.one() as worker:
        wait_until(lambda: "database_away" in workers.said())
        assert worker.poll() is None
        server.start()
        with own_database.using(server.url("portal")):
            wait_until(noted("reconcile", succeeded=True))
            wait_until(noted("tidy", finished_at__isnull=False))
        server.stop()
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(UNNOTICED) == 0


# ---- Other servers are slow


@pytest.fixture
def long_anchors(tmp_path) -> Path:
    """Create an anchor file that makes a verification take most of a minute."""
    path = tmp_path / "anchors.jsonl"
    path.write_bytes(b'{"note": ""}\n' * 12_000_000)
    return path


@pytest.fixture
def mute() -> Iterator[socket.socket]:
    """Start a server that accepts every connection and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        yield listener


@pytest.fixture
def hindered(committed_cast, database, settings, mute, long_anchors) -> Workers:
    """Start workers whose outgoing connections all hang, and which don't wait long for their tasks at the end."""
    port = mute.getsockname()[1]
    hangs = f"https://127.0.0.1:{port}/"
    return Workers(
        long_anchors.parent,
        database,
        settings,
        ("-m", "tests.support.impatient"),
        PORTAL_AUDIT_ANCHOR_FILE=str(long_anchors),
        PORTAL_AUDIT_ANCHOR_WEBHOOK=hangs,
        PORTAL_AUDIT_ANCHOR_WEBHOOK_PRIVATE="1",
        PORTAL_AUDITOR_EMAILS="ada@example.com",
        PORTAL_EMAIL_URL=f"smtp://127.0.0.1:{port}",
        PORTAL_SIEM_URL=hangs,
        PORTAL_SIEM_URL_PRIVATE="1",
    )


def test_hanging_servers_and_a_verification_do_not_delay_the_reconciler(hindered, mute):
    verification = Verification.objects.create(asked_at=timezone.now(), asked_by="Ada")
    tasks.verify_record.enqueue(verification.pk)
    with hindered.one() as worker:
        wait_until(noted("anchor", started_at__isnull=False))
        for _ in range(2):
            due_again("anchor", "siem", "reconcile")
            asked = timezone.now()
            wait_until(noted("reconcile", succeeded_at__gt=asked), JOBS["reconcile"].every.total_seconds())
        mute.accept()[0].close()  # the server was contacted
        verification.refresh_from_db()
        assert verification.finished_at is None
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(PATIENCE) == 0
    assert (
        DBTaskResult.objects.get(task_path__endswith="verify_record").status == "READY"
    )  # for the next worker
