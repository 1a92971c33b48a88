"""Measure how soon a running worker seals an event, and how fast it seals a backlog."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from django.core.management import call_command
from django.db import transaction
from django.test import override_settings

from benchmarks.databases import connect, using
from keys.audit import log
from keys.audit.tree_store import head
from keys.jobs.sealing import seal_all
from keys.rules.events import Event

if TYPE_CHECKING:
    from collections.abc import Iterator

PER_SECOND, SECONDS = 50, 30
BACKLOG = 20_000
_ROOT = Path(__file__).resolve().parent.parent


def show() -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = connect(Path(folder) / "portal.sqlite3")
        with using(database), override_settings(PORTAL_AUDIT_DIR=Path(folder) / "audit"):
            call_command("migrate", verbosity=0)
            call_command("createcachetable", verbosity=0)
            _backlog()
            _latency(Path(folder))
        database.close()


def _backlog() -> None:
    with transaction.atomic():
        for _ in range(BACKLOG):
            log.append(Event.SIGNED_OUT, actor=None)
    started, busy = time.perf_counter(), time.process_time()
    seal_all(uuid.uuid4())
    seconds, busy = time.perf_counter() - started, time.process_time() - busy
    print(
        f"Backlog of {BACKLOG:,} events sealed in {seconds:.1f} s ({busy:.1f} s busy):"
        f" {BACKLOG / seconds:,.0f}/s"
    )


def _latency(folder: Path) -> None:
    """Write events at an even pace, and note when the tree has as many leaves as events were written."""
    worker = _worker(folder)
    try:
        size = head().size
        written: list[float] = []
        sealed: list[float] = []
        for now in _pace(PER_SECOND, SECONDS):
            log.append(Event.SIGNED_OUT, actor=None)
            written.append(time.perf_counter())
            sealed += [now] * (head().size - size - len(sealed))
        while len(sealed) < len(written):
            time.sleep(0.005)
            sealed += [time.perf_counter()] * (head().size - size - len(sealed))
    finally:
        worker.terminate()
        worker.wait()
    waited = sorted((done - begun) * 1000 for begun, done in zip(written, sealed, strict=True))
    print(
        f"{PER_SECOND} events/s for {SECONDS} s: sealed after {statistics.median(waited):.0f} ms (p50),"
        f" {waited[int(len(waited) * 0.99)]:.0f} ms (p99), {waited[-1]:.0f} ms at most"
    )


def _worker(folder: Path) -> subprocess.Popen[bytes]:
    """Run a worker as in production, without Cerby, and return when it has sealed its first event."""
    env = os.environ | {"PORTAL_DATA_DIR": str(folder), "DJANGO_SETTINGS_MODULE": "portal.settings"}
    worker = subprocess.Popen(
        [sys.executable, "manage.py", "worker"], cwd=_ROOT, env=env, stderr=subprocess.DEVNULL
    )
    log.append(Event.SIGNED_OUT, actor=None)
    size = head().size
    while head().size == size:
        time.sleep(0.1)
    return worker


def _pace(per_second: int, seconds: int) -> Iterator[float]:
    begun = time.perf_counter()
    for number in range(per_second * seconds):
        time.sleep(max(0.0, begun + number / per_second - time.perf_counter()))
        yield time.perf_counter()
