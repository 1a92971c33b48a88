"""Real workers on two nodes with one database: nothing is copied, nothing looks forged, no restore is missed."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from keys.actions.safeguards.quarantine import Cause
from keys.models import ApiKey, Checkpoint, HeldBack, Node, Quarantine, TreeHead, Unsealed
from keys.rules.lifecycle import State
from keys.tlog import mac_ratchet
from tests.cast import a_live_key, people_in_portal, with_a_life
from tests.support import own_database
from tests.support.background import asked, state_of
from tests.support.fast_epochs import SECONDS
from tests.support.nodes import ANode
from tests.support.postgresql_server import Server
from tests.support.workers import Workers, due_again, wait_until

FAST = ("-m", "tests.support.fast_epochs")
EPOCHS = 2


@pytest.fixture
def short_epochs(monkeypatch):
    """Let this process count epochs as the workers do."""
    monkeypatch.setattr(mac_ratchet, "EPOCH_SECONDS", SECONDS)


@pytest.fixture
def nodes(
    postgresql_address, workspace, settings, tmp_path, django_db_blocker
) -> Iterator[tuple[Workers, Workers]]:
    settings.PORTAL_DATA_DIR = tmp_path / "a"
    settings.PORTAL_AUDIT_DIR = tmp_path / "a" / "audit"
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    with django_db_blocker.unblock(), own_database.using(postgresql_address):
        yield (
            Workers(tmp_path / "a", postgresql_address, settings, FAST),
            Workers(tmp_path / "b", postgresql_address, settings, FAST),
        )


@contextmanager
def paused(*processes: subprocess.Popen[bytes]) -> Iterator[None]:
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            process.send_signal(signal.SIGCONT)


def look(*, on: Path, over: Path) -> None:
    """Start a quarantine on the node of one folder, and end it on that of another."""
    with ANode(on).here():
        call_command("quarantine", "on", reason="For a look.", stdout=StringIO())
    with ANode(over).here():
        call_command("quarantine", "off", stdout=StringIO())


def ratchet(tmp_path: Path, name: str) -> dict[str, Any]:
    return json.loads((tmp_path / name / "audit" / "ratchet.json").read_text())


def is_over(epoch: int) -> Callable[[], bool]:
    return lambda: mac_ratchet._epoch_now() > epoch


def all_is_signed() -> bool:
    size = TreeHead.objects.get().size
    return not Unsealed.objects.exists() and Checkpoint.objects.filter(size=size).exists()


def everyone_refuses() -> bool:
    return Node.objects.exclude(refusal="").count() == 2


@pytest.mark.long
@pytest.mark.usefixtures("short_epochs")
def test_two_nodes(nodes, tmp_path, postgresql: Server, workspace):
    (a, b), sandbox, cast = nodes, workspace.sandbox, people_in_portal(workspace.ids)
    with a.one() as worker_a:
        wait_until(Checkpoint.objects.exists)
        with b.one() as worker_b:
            wait_until((tmp_path / "b" / "audit" / "ratchet.json").exists)
            first = ratchet(tmp_path, "a")
            for number in range(1, EPOCHS + 1):
                wait_until(is_over(first["epoch"] + number))
                look(on=tmp_path / "b", over=tmp_path / "a")
            wait_until(all_is_signed)
            assert ratchet(tmp_path, "b")["chain"] == first["chain"]
            assert ratchet(tmp_path, "b")["epoch"] >= first["epoch"] + EPOCHS
            assert TreeHead.objects.get().forged is None

            with paused(worker_a, worker_b):  # a dump, while nothing is written
                dump = postgresql.rows_of("own")
            before = TreeHead.objects.get().size
            look(on=tmp_path / "b", over=tmp_path / "a")
            wait_until(lambda: TreeHead.objects.get().size > before and all_is_signed())
            signed = Checkpoint.objects.latest("size").size

            with paused(worker_a, worker_b):
                postgresql.reset("own", dump)
                connection.close()  # it ended all connections
                due = {"state": State.READY, "due_at": timezone.now(), "stored_at": None}
                key, _ = a_live_key(sandbox, cast.admin, **due)
                with ANode(tmp_path / "a").here():
                    with_a_life(key)
                due_again("reconcile", "sweep")
            wait_until(everyone_refuses)
            # A node that waited for the other one looks at the key again only when its lease is over.
            ApiKey.objects.filter(pk=key.pk).update(due_at=timezone.now())
            due_again("reconcile")
            wait_until(lambda: HeldBack.objects.filter(key=key).exists())
            assert Quarantine.objects.get().cause == Cause.RESTORED
            assert (state_of(key), asked(sandbox, "DELETE")) == (State.READY, [])
            assert Checkpoint.objects.latest("size").size <= before < signed
            told = Client().get("/readyz").json()
            assert "The quarantine is on." in told["status"]
            assert "refuses to sign" in told["status"]
