"""Fork a process that runs one job, reports the answers, and dies at a given operation.

A separate process does nothing but fork, because every memory page that a parent writes to after a fork is
copied.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import signal
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any
from uuid import UUID

from django.db import connection

from keys.rules.errors import PortalError
from tests.crashwalk.clock import patience
from tests.crashwalk.jobs import JOBS, Facts
from tests.crashwalk.operations import Operations, watch
from tests.crashwalk.without import GUARDS
from tests.support import own_database
from tests.support.own_database import Address


@dataclass(frozen=True)
class Fate:
    """The job of a process and its end. For ``die_at`` and ``stop_after``, see ``Operations``.

    ``patience``: the longest network time-out in seconds. ``without``: the guard to remove, or "".
    """

    job: str
    facts: Facts
    database: Address
    die_at: int = 0
    stop_after: int = 0
    patience: float | None = None
    without: str = ""


@dataclass
class Life:
    """The report of a process.

    ``operations``: its lasting operations, in order. ``answers``: pairs of a word and a key, from the job.
    ``refusal``: the portal's error message. ``broke``: the traceback of any other error.
    """

    operations: list[str] = field(default_factory=list)
    answers: list[tuple[str, UUID]] = field(default_factory=list)
    refusal: str = ""
    broke: str = ""

    def of(self, word: str) -> list[UUID]:
        return [key for told, key in self.answers if told == word]


class Lives:
    """Start the forking process. Create this before any thread, after all modules are loaded."""

    def __init__(self) -> None:
        self._pipe, theirs = multiprocessing.Pipe()
        fork = multiprocessing.get_context("fork")
        self._process = fork.Process(target=_fork_on_demand, args=(theirs, self._pipe), daemon=True)
        self._process.start()
        theirs.close()

    def live(self, fate: Fate, meanwhile: Callable[[], None]) -> Life:
        """Run a process to its end and return its report. If it stops, call ``meanwhile`` and continue it."""
        self._pipe.send(fate)
        life = self._pipe.recv()
        if life is None:
            meanwhile()
            self._pipe.send("go on")
            life = self._pipe.recv()
        return life

    def close(self) -> None:
        self._pipe.close()
        self._process.join()


def _fork_on_demand(pipe: Connection, other_end: Connection) -> None:
    other_end.close()
    gc.disable()  # the garbage collector would write to every memory page
    while True:
        try:
            fate = pipe.recv()
        except EOFError:
            return
        pipe.send(_run_fork(fate, pipe))


def _run_fork(fate: Fate, pipe: Connection) -> Life:
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ours)
        _run_and_exit(fate, theirs)
    os.close(theirs)
    _, status = os.waitpid(child, os.WUNTRACED)
    if os.WIFSTOPPED(status):
        pipe.send(None)
        pipe.recv()
        os.kill(child, signal.SIGCONT)
        os.waitpid(child, 0)
    with open(ours, "rb") as report:  # noqa: PTH123 - a descriptor
        return _read_report(report)


def _run_and_exit(fate: Fate, pipe: int) -> None:
    """Run the job and exit. Each report is one immediate write, so that a later crash cannot lose it."""

    def report(*entry: Any) -> None:
        os.write(pipe, pickle.dumps(entry))

    def tell(word: str, key: UUID) -> None:
        report("answer", (word, key))

    try:
        with own_database.using(fate.database), patience(fate.patience):
            if fate.without:
                GUARDS[fate.without].remove()
            operations = Operations(
                lambda kind: report("operation", kind), die_at=fate.die_at, stop_after=fate.stop_after
            )
            watch(operations, connection)
            JOBS[fate.job].run(fate.facts, tell)
    except PortalError as refusal:
        report("refusal", f"{type(refusal).__name__}: {refusal.sentence}")
    except BaseException:  # noqa: BLE001 - report any error
        report("broke", traceback.format_exc())
    finally:
        os._exit(0)


def _read_report(report: Any) -> Life:
    life = Life()
    while True:
        try:
            kind, value = pickle.load(report)
        except EOFError:
            return life
        if kind == "operation":
            life.operations.append(value)
        elif kind == "answer":
            life.answers.append(value)
        else:
            setattr(life, kind, value)
