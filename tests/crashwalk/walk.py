"""One case: a job, where it dies, and which fault happens to which request; then recovery, then the oracle."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from tests.crashwalk.jobs import JOBS
from tests.crashwalk.life import Life
from tests.crashwalk.oracle import wrong_at_any_moment, wrong_at_rest
from tests.crashwalk.recovery import recover
from tests.crashwalk.rules import ALWAYS, HANGS, PATIENCE, RULES, happening_to, places
from tests.crashwalk.without import GUARDS
from tests.crashwalk.world import World
from tests.domain import own_database


@dataclass(frozen=True)
class Case:
    """``die_at``: the operation, from 1, that is not reached any more; 0: the job comes to its end.

    ``fault``: a name of ``RULES``, or "". ``nth``: the request, from 0, of those that it fits.
    ``again``: the person, or the worker's next round, does the whole job once more before the recovery.
    """

    job: str
    die_at: int = 0
    fault: str = ""
    nth: int = 0
    again: bool = False
    without: str = ""

    def command(self) -> str:
        """What repeats it."""
        said = ["python", "-m", "tests.crashwalk", "--job", self.job, "--at", str(self.die_at)]
        if self.fault:
            said += ["--fault", self.fault, "--nth", str(self.nth)]
        said += ["--again"] if self.again else []
        said += ["--without", self.without] if self.without else []
        return shlex.join(said)


@dataclass
class Outcome:
    """``fired``: whether the fault happened. ``requests``: method and path of what the job asked."""

    case: Case
    wrong: list[str]
    life: Life
    fired: bool
    requests: list[tuple[str, str]] = field(default_factory=list)


def walk_one(world: World, case: Case) -> Outcome:
    scene = world.scene(case.job)
    guard = GUARDS.get(case.without)
    is_silent = case.fault.partition(",")[0] in HANGS
    ways: dict[str, Any] = {"patience": PATIENCE if is_silent else None, "without": case.without}
    with world.case(case.job) as database, _errors_in_the_log() as logged:
        if case.fault:
            world.sandbox.set_faults(happening_to(RULES[case.fault], case.nth))
        connections = world.sandbox.connections()
        lives = [world.live(case.job, database, die_at=case.die_at or None, **ways)]
        world.sandbox.wait_for_connections(connections)
        asked = world.upstream(scene.before.last_request).requests
        if case.again:
            lives.append(world.live(case.job, database, **ways))
        fired = bool(case.fault) and bool(world.sandbox.fired())
        with own_database.using(database):
            upstream = world.upstream(scene.before.last_request)
            wrong = wrong_at_any_moment(scene.before, upstream, lives, world.disk)
            if case.fault == ALWAYS:
                world.sandbox.set_faults([])
            if recover(world.sandbox, world.clock, **(guard.recovery if guard else {})) is None:
                wrong.append("does not come to rest")
            upstream = world.upstream(scene.before.last_request)
            wrong += wrong_at_any_moment(scene.before, upstream, lives, world.disk)
            wrong += wrong_at_rest(upstream, lives)
        fired = fired or (bool(case.fault) and bool(world.sandbox.fired()))
    wrong += [f"logged: {line}" for line in logged]
    requests = [(one["method"], one["path"]) for one in asked]
    return Outcome(case, list(dict.fromkeys(wrong)), lives[0], fired, requests)


def crash_points(world: World, job: str) -> Iterator[Outcome]:
    """``job`` to its end, then each place where it can die; each once more with the job done again."""
    undisturbed = walk_one(world, Case(job))
    yield undisturbed
    points = range(1, len(undisturbed.life.operations) + 1)
    yield from (walk_one(world, Case(job, die_at)) for die_at in points)
    yield from (walk_one(world, Case(job, die_at, again=True)) for die_at in [*points, 0])


def under(world: World, job: str, fault: str) -> Iterator[Outcome]:
    """``job`` under ``fault``, which happens to one request after the other; each with every crash.

    A fault of a later request than the first is not walked where the crash comes before it: that is the crash
    without a fault.
    """
    for nth in range(places(RULES[fault], _requests_of(world, job))):
        disturbed = walk_one(world, Case(job, 0, fault, nth))
        yield disturbed
        first = _end_of_answer(disturbed.life, nth) + 1
        for die_at in range(first, len(disturbed.life.operations) + 1):
            yield walk_one(world, Case(job, die_at, fault, nth))


def sample(world: World, jobs: Sequence[str], pairs: int) -> Iterator[Outcome]:
    """Every crash point of ``jobs`` once, and so many pairs: always the same, from all over the catalogue."""
    counts = {}
    for job in jobs:
        undisturbed = walk_one(world, Case(job))
        yield undisturbed
        counts[job] = len(undisturbed.life.operations)
        first = JOBS[job].first_of_its_own
        yield from (walk_one(world, Case(job, die_at)) for die_at in range(first, counts[job] + 1))
    faults = list(RULES)
    for number in range(pairs):
        job = jobs[number % len(jobs)]
        fault = faults[number * len(faults) // pairs]
        nth = number % places(RULES[fault], _requests_of(world, job))
        yield walk_one(world, Case(job, 1 + 7 * number % counts[job], fault, nth))


@cache
def _requests_of(world: World, job: str) -> list[tuple[str, str]]:
    return walk_one(world, Case(job)).requests


def _end_of_answer(life: Life, nth: int) -> int:
    """The operation with which the ``nth`` answer came; 0 where none is waited for."""
    answers = [number for number, what in enumerate(life.operations, start=1) if what == "receive"]
    return answers[nth - 1] if 0 < nth <= len(answers) else 0


@contextmanager
def _errors_in_the_log() -> Iterator[list[str]]:
    """What the recovery took for a mistake of the portal's own: it caught it, and went on."""
    found: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.exc_info:
                found.append(str(record.exc_info[1]))

    handler = Handler(logging.ERROR)
    logging.getLogger().addHandler(handler)
    try:
        yield found
    finally:
        logging.getLogger().removeHandler(handler)
