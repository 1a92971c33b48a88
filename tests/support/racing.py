"""Let real processes do something at the same moment, on one database."""

from __future__ import annotations

import multiprocessing
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

from sandbox.launcher.processes import end_with_parent
from tests.support import own_database
from tests.support.own_database import Address
from tests.support.script import PATIENCE, answer_of, named

Runner = Callable[[int, Any], Any]


def race(database: Address, runner: str, subjects: list[Any], *, processes: int) -> list[list[Any]]:
    """Call ``runner(number, subject)`` in each of ``processes`` for each subject, and return their results by subject.

    ``runner`` is ``module:function``. Before each subject, the processes wait for each other.
    """
    task = {"database": str(database), "runner": runner, "subjects": subjects, "processes": processes}
    return answer_of(f"{__name__}:run", task, imports=(runner.partition(":")[0],))


def run(task: dict[str, Any]) -> list[list[Any]]:
    """Fork the racing processes. This process must have no threads and no connections."""
    fork = multiprocessing.get_context("fork")
    start, answers = fork.Barrier(task["processes"]), fork.Queue()
    runner = named(task["runner"])
    racers = [
        fork.Process(target=_race, args=(number, runner, task | {"parent": os.getpid()}, start, answers))
        for number in range(task["processes"])
    ]
    for racer in racers:
        racer.start()
    by_number = dict(answers.get(timeout=PATIENCE) for _ in racers)
    for racer in racers:
        racer.join()
    failed = [got for got in by_number.values() if isinstance(got, str)]
    if failed:
        sys.exit(
            min(failed, key=lambda trace: "BrokenBarrierError" in trace)
        )  # prefer the cause to its consequences
    return [list(answers) for answers in zip(*map(by_number.get, range(task["processes"])), strict=True)]


def _race(number: int, runner: Runner, task: dict[str, Any], start: Any, answers: Any) -> None:
    end_with_parent(task["parent"])  # the parent is killed if the race takes too long
    try:
        with own_database.using(own_database.address(task["database"])):
            got = []
            for subject in task["subjects"]:
                start.wait(PATIENCE)
                got.append(runner(number, subject))
    except Exception:  # noqa: BLE001 - the waiting process reports every error
        start.abort()
        answers.put((number, traceback.format_exc()))
    else:
        answers.put((number, got))
