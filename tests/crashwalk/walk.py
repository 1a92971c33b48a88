"""One case: a job, where it dies, and which fault happens to which request; then recovery, then the oracle."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from tests.crashwalk.clock import patience
from tests.crashwalk.jobs import JOBS
from tests.crashwalk.life import Life
from tests.crashwalk.oracle import Upstream, wrong_at_any_moment, wrong_at_rest
from tests.crashwalk.recovery import recover
from tests.crashwalk.rules import (
    ALWAYS,
    HANGS,
    OF_THE_RECOVERY,
    PATIENCE,
    RULES,
    Request,
    happening_to,
    places,
)
from tests.crashwalk.without import GUARDS
from tests.crashwalk.world import World


@dataclass(frozen=True)
class Case:
    """``at``: the operation, from 1, that the process does not reach any more; 0: the job comes to its end.

    ``fault``: a name of ``RULES``, or "". ``nth``: the request, from 0, of those that it fits.
    ``again``: the person, or the worker's next round, does the whole job once more before the recovery.
    ``stopped``: the process does not die; it is stopped after that operation, and goes on when all has recovered.
    """

    job: str
    at: int = 0
    fault: str = ""
    nth: int = 0
    again: bool = False
    stopped: bool = False
    without: str = ""

    def command(self) -> str:
        """What repeats it."""
        said = ["python", "-m", "tests.crashwalk", "--job", self.job, "--at", str(self.at)]
        if self.fault:
            said += ["--fault", self.fault, "--nth", str(self.nth)]
        said += ["--again"] if self.again else []
        said += ["--stopped"] if self.stopped else []
        said += ["--without", self.without] if self.without else []
        return shlex.join(said)


@dataclass
class Outcome:
    """``fired``: whether the fault happened. ``requests``: method and path of what the job asked."""

    case: Case
    wrong: list[str]
    life: Life
    fired: bool
    requests: list[Request] = field(default_factory=list)


def walk_one(world: World, case: Case) -> Outcome:
    world.set_again(case.job)
    if case.fault:
        world.sandbox.set_faults(happening_to(RULES[case.fault], case.nth))
    with _errors_in_the_log() as logged:
        outcome = _Walk(world, case).outcome()
    outcome.wrong += [f"logged: {line}" for line in logged]
    outcome.wrong = list(dict.fromkeys(outcome.wrong))
    return outcome


class _Walk:
    """One case, on a scene that is set."""

    def __init__(self, world: World, case: Case) -> None:
        self._world, self._case = world, case
        self._before = world.scene(case.job).before
        guard = GUARDS.get(case.without)
        self._recovery = guard.recovery if guard else {}
        is_silent = case.fault.partition(",")[0] in HANGS
        self._patience = PATIENCE if is_silent else None
        self._lives: list[Life] = []
        self._wrong: list[str] = []

    def outcome(self) -> Outcome:
        case, world = self._case, self._world
        connections = world.sandbox.connections()
        if case.stopped:
            self._live(stop_after=case.at, meanwhile=self._recover)
        else:
            self._live(die_at=case.at)
        world.sandbox.wait_for_connections(connections)
        asked = [(one["method"], one["path"]) for one in self._upstream().requests]
        if case.again:
            self._live()
        self._recover()
        fired = case.fault == ALWAYS or bool(world.sandbox.fired())
        return Outcome(case, self._wrong, self._lives[0], fired, asked)

    def _live(self, **fate: Any) -> None:
        case = self._case
        self._lives.append(self._world.live(case.job, patience=self._patience, without=case.without, **fate))

    def _recover(self) -> None:
        """Ask the oracle, let the worker work until all is at rest, and ask again."""
        world = self._world
        with world.using_database_of(self._case.job), patience(self._patience):
            upstream = self._upstream()
            asked_before = len(upstream.requests)
            self._wrong += self._wrong_now(upstream)
            if self._case.fault == ALWAYS:
                world.sandbox.set_faults([])
            if recover(world.sandbox, world.clock, **self._recovery) is None:
                self._wrong.append("does not come to rest")
            upstream = self._upstream()
            self._wrong += self._wrong_now(upstream)
            self._wrong += wrong_at_rest(upstream, self._lives)
            if not self._case.stopped:  # which has a request of its own under way
                self._wrong += _not_the_workers(upstream.requests[asked_before:])

    def _wrong_now(self, upstream: Upstream) -> list[str]:
        plain_text = [f"plain text in {place}" for place in self._world.plain_text(self._case.job)]
        return [*wrong_at_any_moment(self._before, upstream, self._lives), *plain_text]

    def _upstream(self) -> Upstream:
        return self._world.upstream(self._before.last_request)


def _not_the_workers(requests: list[dict[str, Any]]) -> Iterator[str]:
    """``places`` relies on it."""
    asked = {one["method"] for one in requests} - {method for method, _ in OF_THE_RECOVERY}
    yield from (f"the worker asked Cerby for a {method}" for method in asked)


def crash_points(world: World, job: str) -> Iterator[Outcome]:
    """``job`` to its end; each place where it can die; each with the job done again; each where it can stop."""
    undisturbed = walk_one(world, Case(job))
    yield undisturbed
    points = range(1, len(undisturbed.life.operations) + 1)
    yield from (walk_one(world, Case(job, at)) for at in points)
    yield from (walk_one(world, Case(job, at, again=True)) for at in [*points, 0])
    yield from (walk_one(world, Case(job, at, stopped=True)) for at in points)


def under(world: World, job: str, fault: str) -> Iterator[Outcome]:
    """``job`` under ``fault``, which happens to one request after the other; each with every crash.

    See ``_crashes_under``.
    """
    for place in places(RULES[fault], _requests_of(world, job)):
        disturbed = walk_one(world, Case(job, 0, fault, place.nth))
        yield disturbed
        for at in _crashes_under(disturbed.life.operations, place.request):
            if at >= JOBS[job].first_of_its_own:
                yield walk_one(world, Case(job, at, fault, place.nth))


def sample(world: World, jobs: Sequence[str], pairs: int) -> Iterator[Outcome]:
    """Every crash point of ``jobs`` once, a stop with Cerby's last answer in hand, and so many pairs: always the
    same ones, from all over the catalogue.
    """
    counts = {}
    for job in jobs:
        undisturbed = walk_one(world, Case(job))
        yield undisturbed
        counts[job] = len(undisturbed.life.operations)
        first = JOBS[job].first_of_its_own
        yield from (walk_one(world, Case(job, at)) for at in range(first, counts[job] + 1))
        last = _answers(undisturbed.life.operations)[-1]
        yield walk_one(world, Case(job, last, stopped=True))
    faults = list(RULES)
    for number in range(pairs):
        job = jobs[number % len(jobs)]
        from_here_on = faults[number * len(faults) // pairs :]
        requests = _requests_of(world, job)
        pairs_of_job = (
            (fault, place.nth) for fault in from_here_on for place in places(RULES[fault], requests)
        )
        yield walk_one(world, Case(job, 1 + 7 * number % counts[job], *next(pairs_of_job)))


@cache
def _requests_of(world: World, job: str) -> list[Request]:
    return walk_one(world, Case(job)).requests


def _crashes_under(operations: list[str], request: int | None) -> Iterator[int]:
    """Where, in a job of these ``operations``, a crash is a case of its own under a fault of that ``request``.

    Not before the answer to the request before it: that is the crash without a fault. And not where it leaves
    just what the next crash leaves, in the database and in Cerby: before an answer is read, as Cerby has done
    its work by then, and before a question, unless the fault is in its answer. Without a fault all are walked.
    """
    answers = _answers(operations)
    first = answers[request - 1] + 1 if request else 1
    met = request is None
    for at in range(first, len(operations) + 1):
        what = operations[at - 1]
        if what in {"commit", "statement", "send"} or not met:
            yield at
        met = met or what in {"ask", "send"}


def _answers(operations: list[str]) -> list[int]:
    """The operations with which Cerby's answers came."""
    return [number for number, what in enumerate(operations, start=1) if what == "receive"]


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
