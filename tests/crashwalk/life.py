"""One life of a process: it is forked, does one job, tells what it was answered, and dies where it is told to.

A process of its own does nothing but fork: each fork makes every page that its parent writes to later dear.
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
    """What a process is to do, and where. ``die_at``, ``stop_after``: see ``Operations``.

    ``patience``: seconds that it waits for the network at most. ``without``: the guard that it lacks, or "".
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
    """``operations``: what it did for good, in order. ``answers``: word and key, as jobs tell them.

    ``refusal``: what the portal said no with. ``broke``: the traceback of anything else.
    """

    operations: list[str] = field(default_factory=list)
    answers: list[tuple[str, UUID]] = field(default_factory=list)
    refusal: str = ""
    broke: str = ""

    def of(self, word: str) -> list[UUID]:
        return [key for told, key in self.answers if told == word]


class Lives:
    """Forks: make it before any thread is, and with everything loaded that a job needs."""

    def __init__(self) -> None:
        self._pipe, theirs = multiprocessing.Pipe()
        fork = multiprocessing.get_context("fork")
        self._process = fork.Process(target=_fork_on_demand, args=(theirs, self._pipe), daemon=True)
        self._process.start()
        theirs.close()

    def live(self, fate: Fate, meanwhile: Callable[[], None]) -> Life:
        """The life of a process that has ended; ``meanwhile`` happens while it is stopped."""
        self._pipe.send(fate)
        said = self._pipe.recv()
        if said is None:
            meanwhile()
            self._pipe.send("go on")
            said = self._pipe.recv()
        return said

    def close(self) -> None:
        self._pipe.close()
        self._process.join()


def _fork_on_demand(pipe: Connection, other_end: Connection) -> None:
    other_end.close()
    gc.disable()  # looking for garbage would write to every page
    while True:
        try:
            fate = pipe.recv()
        except EOFError:
            return
        pipe.send(_lived(fate, pipe))


def _lived(fate: Fate, pipe: Connection) -> Life:
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ours)
        _live_and_die(fate, theirs)
    os.close(theirs)
    _, status = os.waitpid(child, os.WUNTRACED)
    if os.WIFSTOPPED(status):
        pipe.send(None)
        pipe.recv()
        os.kill(child, signal.SIGCONT)
        os.waitpid(child, 0)
    with open(ours, "rb") as said:  # noqa: PTH123 - a descriptor
        return _heard(said)


def _live_and_die(fate: Fate, pipe: int) -> None:
    """Each thing is told at once, in one write, so that it is heard whatever comes next."""

    def say(*what: Any) -> None:
        os.write(pipe, pickle.dumps(what))

    def tell(word: str, key: UUID) -> None:
        say("answer", (word, key))

    try:
        with own_database.using(fate.database), patience(fate.patience):
            if fate.without:
                GUARDS[fate.without].remove()
            operations = Operations(
                lambda what: say("operation", what), die_at=fate.die_at, stop_after=fate.stop_after
            )
            watch(operations, connection)
            JOBS[fate.job].run(fate.facts, tell)
    except PortalError as refusal:
        say("refusal", f"{type(refusal).__name__}: {refusal.sentence}")
    except BaseException:  # noqa: BLE001 - whatever it is, it is to be heard of
        say("broke", traceback.format_exc())
    finally:
        os._exit(0)


def _heard(said: Any) -> Life:
    life = Life()
    while True:
        try:
            kind, what = pickle.load(said)
        except EOFError:
            return life
        if kind == "operation":
            life.operations.append(what)
        elif kind == "answer":
            life.answers.append(what)
        else:
            setattr(life, kind, what)
