"""The worker's thread seals and signs events automatically and survives errors."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.db import connection

from keys.audit import log
from keys.audit.tree_store import head
from keys.jobs import sealing
from keys.jobs.outage import OutageLoop
from keys.models import Checkpoint
from keys.rules.events import Event
from tests.support import own_database
from tests.support.sealed_log import is_whole

PATIENCE = 60  # seconds


@pytest.fixture
def worker(database, audit_files, monkeypatch) -> Callable[..., object]:
    """Sign at the start, and after that only urgent events."""
    monkeypatch.setattr(sealing, "SEAL_EVERY", 0.01)
    monkeypatch.setattr(sealing, "SIGN_EVERY", 3600.0)

    @contextmanager
    def at_work() -> Iterator[None]:
        loop = OutageLoop()

        def run() -> None:
            with own_database.using(database):
                sealing.run(loop)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            loop.stop.set()
            thread.join(PATIENCE)

    return at_work


def until(is_so: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def sealed(count: int) -> Callable[[], bool]:
    return lambda: head().size == count


def signed(count: int) -> Callable[[], bool]:
    return Checkpoint.objects.filter(size=count).exists


def test_it_seals_and_signs_existing_and_new_events(worker):
    log.append(Event.SIGNED_OUT, actor=None)
    with worker():
        until(signed(1))
        log.append(Event.SIGNED_OUT, actor=None)
        until(sealed(2))
        log.append(Event.ROLES_REFRESHED, actor=None, count=6)
        until(signed(3))
    is_whole()
    assert list(Checkpoint.objects.order_by("size").values_list("size", flat=True)) == [1, 3]


def test_it_goes_on_after_an_error(worker, caplog):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE keys_sealed RENAME TO keys_sealed_gone")
    with worker():
        log.append(Event.SIGNED_OUT, actor=None)
        until(lambda: "sealing_failed" in caplog.text)
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE keys_sealed_gone RENAME TO keys_sealed")
        until(sealed(1))
    is_whole()
