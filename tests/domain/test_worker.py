"""The worker as a process: it outlives its database."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest
from django.utils import timezone

from keys.audit import log
from keys.audit.events import Event
from keys.models import Unsealed
from tests.domain import own_database
from tests.domain.workers import Workers, noted, wait_until
from tests.postgresql_server import Server, serving

OUTAGE = 15.0  # seconds; longer than the worker waits for one connection
PROMPTLY = 6.0


@pytest.fixture
def server(workspace, django_db_blocker) -> Iterator[Server]:
    """A PostgreSQL of this test's own, to be stopped, and the portal's database on it."""
    with serving() as server, django_db_blocker.unblock():
        server.create("portal")
        own_database.create(server.url("portal"))
        yield server


@pytest.fixture
def workers(server, settings, tmp_path) -> Workers:
    return Workers(tmp_path, server.url("portal"), settings)


def test_it_outlives_its_database_and_takes_up_what_was_broken_off(server, workers, sandbox):
    sandbox.faults.set([{"fault": "hang-uncommitted", "route": "GET /api/v1/api-keys", "seconds": 8}])
    with workers.one() as worker:
        with own_database.using(server.url("portal")):
            wait_until(noted("sweep", started_at__isnull=False))
        server.stop(signal.SIGINT)
        sandbox.faults.clear()
        time.sleep(OUTAGE)
        assert worker.poll() is None
        server.start()
        with own_database.using(server.url("portal")):
            back = timezone.now()
            log.append(Event.SIGNED_OUT, actor=None)
            wait_until(noted("sweep", succeeded_at__gt=back))
            wait_until(noted("reconcile", succeeded_at__gt=back))
            wait_until(lambda: not Unsealed.objects.exists())
        assert [word for word in workers.said() if word.startswith("database_")] == [
            "database_away",
            "database_back",
        ]


@pytest.mark.parametrize("seconds", [0.0, 12.0])
def test_it_ends_when_told_while_the_database_is_away(server, workers, seconds):
    with workers.one() as worker:
        with own_database.using(server.url("portal")):
            wait_until(noted("tidy", finished_at__isnull=False))
        server.stop()
        time.sleep(seconds)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(PROMPTLY) == 0
    server.start()


def test_it_may_start_before_its_database(server, workers):
    server.stop()
    with workers.one() as worker:
        wait_until(lambda: "database_away" in workers.said())
        assert worker.poll() is None
        server.start()
        with own_database.using(server.url("portal")):
            wait_until(noted("reconcile", succeeded=True))
