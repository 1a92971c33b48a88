"""A process that ends, hard, at its k-th operation; and what those who come after it make of what is left.

Run as a script in a process of its own, ``python -m tests.domain.killing``, because forking a test runner,
which has threads, may hang. An operation is an SQL statement, just after it was carried out and before
anything else, its commit included, or a file that is opened or replaced, just before.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django
from django.db import connection

from tests.domain import own_database
from tests.domain.own_database import Address

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120  # seconds
KILLED = 77
"""The exit status of a process that reached its operation."""


def walk(database: Address, files: Path, events: int) -> list[dict[str, Any]]:
    """Seal and sign ``events`` new ones for each k, killed at operation k and then taken up by another process.

    Goes on until a process is not killed any more. Returns what was found after each.
    """
    task = {"database": str(database), "files": str(files), "events": events}
    done = subprocess.run(
        [sys.executable, "-m", "tests.domain.killing"],
        input=json.dumps(task),
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class Countdown:
    """Ends this process at the ``last`` of the operations that it is told of."""

    def __init__(self, last: int, files: str) -> None:
        self.left = last
        self.files = files

    def tick(self) -> None:
        self.left -= 1
        if self.left == 0:
            os._exit(KILLED)

    def sql(self, execute: Callable[..., Any], *statement: Any) -> Any:
        result = execute(*statement)
        self.tick()
        return result

    def audit(self, event: str, args: tuple[Any, ...]) -> None:
        if event in {"open", "os.rename"} and str(args[0]).startswith(self.files):
            self.tick()


def _seal_and_sign(last: int, files: str) -> None:
    from keys.audit.signing import sign
    from keys.jobs.sealing import seal_all

    countdown = Countdown(last, files)
    sys.addaudithook(countdown.audit)
    with connection.execute_wrapper(countdown.sql):
        seal_all(uuid.uuid4())
        sign()


def _next(last: int, task: dict[str, Any]) -> dict[str, Any]:
    """One round: new events, a process that is killed, another that goes on. Returns what it left."""
    from tests.domain import sealed_log

    _in_a_process(task, lambda: sealed_log.add_events(task["events"]))
    _in_a_process(task, sealed_log.let_the_lease_end)
    ended = _in_a_process(task, lambda: _seal_and_sign(last, task["files"]))
    _in_a_process(task, lambda: (sealed_log.let_the_lease_end(), _seal_and_sign(0, task["files"])))
    return {"operation": last, "killed": ended == KILLED}


def _in_a_process(task: dict[str, Any], act: Callable[[], Any]) -> int:
    def run() -> None:
        with own_database.using(own_database.address(task["database"])):
            act()

    child = multiprocessing.get_context("fork").Process(target=run)
    child.start()
    child.join(PATIENCE)
    status = child.exitcode
    if status not in {0, KILLED}:
        raise SystemExit(f"A process ended with {status}.")
    return status


def main() -> None:
    django.setup()
    from django.conf import settings

    task = json.load(sys.stdin)
    settings.PORTAL_AUDIT_DIR = Path(task["files"])
    rounds = [_next(1, task)]
    while rounds[-1]["killed"]:
        rounds.append(_next(len(rounds) + 1, task))
    json.dump(rounds, sys.stdout)


if __name__ == "__main__":
    main()
