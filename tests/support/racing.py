"""Real processes that do one thing at the same moment, on one database."""

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
    """What each of ``processes`` got from ``runner(number, subject)`` for each of ``subjects``, in their order.

    ``runner`` is ``module:function``. For every subject all processes wait for the last one, then begin together.
    """
    task = {"database": str(database), "runner": runner, "subjects": subjects, "processes": processes}
    return answer_of(f"{__name__}:run", task, imports=(runner.partition(":")[0],))


def run(task: dict[str, Any]) -> list[list[Any]]:
    """The race itself, forked from this process, which may have neither threads nor connections."""
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
        sys.exit(min(failed, key=lambda trace: "BrokenBarrierError" in trace))  # the cause, not what it broke
    return [list(answers) for answers in zip(*map(by_number.get, range(task["processes"])), strict=True)]


def _race(number: int, runner: Runner, task: dict[str, Any], start: Any, answers: Any) -> None:
    end_with_parent(task["parent"])  # which is killed where the race takes too long
    try:
        with own_database.using(own_database.address(task["database"])):
            got = []
            for subject in task["subjects"]:
                start.wait(PATIENCE)
                got.append(runner(number, subject))
    except Exception:  # noqa: BLE001 - whatever it is, the process that waits has to hear of it
        start.abort()
        answers.put((number, traceback.format_exc()))
    else:
        answers.put((number, got))
