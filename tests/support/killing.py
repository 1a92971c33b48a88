"""Kill a process at its k-th operation, and let another process continue its work.

An operation is an SQL statement, including a commit, or a file that is opened or replaced. The process dies
directly after the statement, or directly before the file is opened.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

from keys.audit.signer import sign
from keys.jobs.sealing import seal_all
from tests.support import own_database, sealed_log
from tests.support.own_database import Address
from tests.support.script import PATIENCE, answer_of

KILLED = 77
"""The exit status of a process that was killed at its operation."""


def walk(database: Address, files: Path, events: int, *, step: int = 1) -> list[dict[str, Any]]:
    """Add ``events`` events for each k, which grows by ``step``, and seal and sign them in a process that dies at operation k.

    Another process then continues. Stop when k exceeds the number of operations. Return one row for each k.
    """
    task = {"database": str(database), "files": str(files), "events": events, "step": step}
    return answer_of(f"{__name__}:run", task)


class Countdown:
    """End this process at the operation number ``last``."""

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


def _seal_and_sign(last: int, task: dict[str, Any]) -> None:
    """Let the lease of the dead process expire first, so that this one can lead."""
    sealed_log.let_the_lease_end()
    countdown = Countdown(last, task["files"])
    sys.addaudithook(countdown.audit)
    with connection.execute_wrapper(countdown.sql):
        seal_all(uuid.uuid4())
        sign()


def _next(last: int, task: dict[str, Any]) -> dict[str, Any]:
    """Run one round: add events, kill a process, and let another continue."""
    _in_a_process(task, lambda: sealed_log.add_events(task["events"]))
    ended = _in_a_process(task, lambda: _seal_and_sign(last, task))
    _in_a_process(task, lambda: _seal_and_sign(0, task))
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


def run(task: dict[str, Any]) -> list[dict[str, Any]]:
    settings.PORTAL_AUDIT_DIR = Path(task["files"])
    rounds = [_next(1, task)]
    while rounds[-1]["killed"]:
        rounds.append(_next(1 + len(rounds) * task["step"], task))
    return rounds
