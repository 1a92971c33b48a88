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

_barrier: Any = None
"""In a racing process: the barrier of all processes of the race."""


def meet() -> None:
    """Wait until all processes of the race are here.

    A version without a lock calls this between its read and its write, so that it loses the race for certain.
    Every process of the race must call it equally often.
    """
    _barrier.wait(PATIENCE)


def race(database: Address, runner: str, subjects: list[Any], *, processes: int) -> list[list[Any]]:
    """Call ``runner(number, subject)`` in each of ``processes`` for each subject, and return their results by subject.

    ``runner`` is ``module:function``. Before each subject, the processes wait for each other.
    """
    task = {"database": str(database), "runner": runner, "subjects": subjects, "processes": processes}
    return answer_of(f"{__name__}:run", task, imports=(runner.partition(":")[0],))


def run(task: dict[str, Any]) -> list[list[Any]]:
    """Fork the racing processes. This process must have no threads and no connections."""
    fork = multiprocessing.get_context("fork")
    barrier, answers = fork.Barrier(task["processes"]), fork.Queue()
    runner = named(task["runner"])
    racers = [
        fork.Process(target=_race, args=(number, runner, task | {"parent": os.getpid()}, barrier, answers))
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


def _race(number: int, runner: Runner, task: dict[str, Any], barrier: Any, answers: Any) -> None:
    global _barrier  # noqa: PLW0603 - one race per process
    _barrier = barrier
    end_with_parent(task["parent"])  # the parent is killed if the race takes too long
    try:
        with own_database.using(own_database.address(task["database"])):
            got = []
            for subject in task["subjects"]:
                meet()
                got.append(runner(number, subject))
    except Exception:  # noqa: BLE001 - the waiting process reports every error
        barrier.abort()
        answers.put((number, traceback.format_exc()))
    else:
        answers.put((number, got))
