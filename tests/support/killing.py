"""A process that ends, hard, at its k-th operation; and what those who come after it make of what is left.

An operation is an SQL statement, just after it was carried out and before anything else, its commit included,
or a file that is opened or replaced, just before.
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
"""The exit status of a process that reached its operation."""


def walk(database: Address, files: Path, events: int) -> list[dict[str, Any]]:
    """Seal and sign ``events`` new ones for each k, killed at operation k and then taken up by another process.

    Goes on until a process is not killed any more. Returns what was found after each.
    """
    task = {"database": str(database), "files": str(files), "events": events}
    return answer_of(f"{__name__}:run", task)


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


def _seal_and_sign(last: int, task: dict[str, Any]) -> None:
    """Somebody else's lease is over, so the lead is free."""
    sealed_log.let_the_lease_end()
    countdown = Countdown(last, task["files"])
    sys.addaudithook(countdown.audit)
    with connection.execute_wrapper(countdown.sql):
        seal_all(uuid.uuid4())
        sign()


def _next(last: int, task: dict[str, Any]) -> dict[str, Any]:
    """One round: new events, a process that is killed, another that goes on. Returns what it left."""
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
        rounds.append(_next(len(rounds) + 1, task))
    return rounds
