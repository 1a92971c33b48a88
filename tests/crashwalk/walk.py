"""Walk through cases: run a job with a crash and a fault, recover, and ask the oracle."""

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
    """One crash of one job, perhaps under a fault.

    ``at``: the process dies before this operation, counted from 1; if 0, the job runs to its end.
    ``fault``: a name of ``RULES``, or "". ``nth``: the affected request among those that the fault fits, from 0.
    ``again``: the job is repeated before the recovery, as by a person or by the worker's next run.
    ``stopped``: the process does not die but stops after that operation, and continues after the recovery.
    """

    job: str
    at: int = 0
    fault: str = ""
    nth: int = 0
    again: bool = False
    stopped: bool = False
    without: str = ""

    def command(self) -> str:
        """Return the command that repeats this case."""
        words = ["python", "-m", "tests.crashwalk", "--job", self.job, "--at", str(self.at)]
        if self.fault:
            words += ["--fault", self.fault, "--nth", str(self.nth)]
        words += ["--again"] if self.again else []
        words += ["--stopped"] if self.stopped else []
        words += ["--without", self.without] if self.without else []
        return shlex.join(words)


@dataclass
class Outcome:
    """The result of a case. ``fired``: whether the fault happened. ``requests``: of the job, to Cerby."""

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
    """One case, after its scene was set."""

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
        """Ask the oracle, run the worker until everything is at rest, and ask again."""
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
            if not self._case.stopped:  # a stopped process still has a request open
                self._wrong += _not_the_workers(upstream.requests[asked_before:])

    def _wrong_now(self, upstream: Upstream) -> list[str]:
        plain_text = [f"plain text in {place}" for place in self._world.plain_text(self._case.job)]
        return [*wrong_at_any_moment(self._before, upstream, self._lives), *plain_text]

    def _upstream(self) -> Upstream:
        return self._world.upstream(self._before.last_request)


def _not_the_workers(requests: list[dict[str, Any]]) -> Iterator[str]:
    """Find requests that the worker should never send; ``places`` relies on this."""
    asked = {one["method"] for one in requests} - {method for method, _ in OF_THE_RECOVERY}
    yield from (f"the worker asked Cerby for a {method}" for method in asked)


def crash_points(world: World, job: str) -> Iterator[Outcome]:
    """Run ``job`` to its end, then with each crash, with each crash and a repetition, and with each stop."""
    undisturbed = walk_one(world, Case(job))
    yield undisturbed
    points = range(1, len(undisturbed.life.operations) + 1)
    yield from (walk_one(world, Case(job, at)) for at in points)
    yield from (walk_one(world, Case(job, at, again=True)) for at in [*points, 0])
    yield from (walk_one(world, Case(job, at, stopped=True)) for at in points)


def under(world: World, job: str, fault: str) -> Iterator[Outcome]:
    """Run ``job`` under ``fault``, at each request in turn, with every crash that ``_crashes_under`` returns."""
    for place in places(RULES[fault], _requests_of(world, job)):
        disturbed = walk_one(world, Case(job, 0, fault, place.nth))
        yield disturbed
        for at in _crashes_under(disturbed.life.operations, place.request):
            if at >= JOBS[job].first_of_its_own:
                yield walk_one(world, Case(job, at, fault, place.nth))


def sample(world: World, jobs: Sequence[str], pairs: int, step: int = 1) -> Iterator[Outcome]:
    """Run the crashes of ``jobs`` that differ, a stop after Cerby's last answer, and ``pairs`` of fault and crash.

    With ``step``, run every second crash, or third, and so on. The pairs are spread over the catalogue. The
    cases are always the same.
    """
    counts, requests = {}, {}
    for number, job in enumerate(jobs):
        undisturbed = walk_one(world, Case(job))
        yield undisturbed
        counts[job] = len(undisturbed.life.operations)
        requests[job] = undisturbed.requests
        crashes = _crashes_under(undisturbed.life.operations, None)
        own = [at for at in crashes if at >= JOBS[job].first_of_its_own]
        yield from (walk_one(world, Case(job, at)) for at in own[number % step :: step])
        last = _answers(undisturbed.life.operations)[-1]
        yield walk_one(world, Case(job, last, stopped=True))
    faults = list(RULES)
    for number in range(pairs):
        job = jobs[number % len(jobs)]
        from_here_on = faults[number * len(faults) // pairs :]
        pairs_of_job = (
            (fault, place.nth) for fault in from_here_on for place in places(RULES[fault], requests[job])
        )
        yield walk_one(world, Case(job, 1 + 7 * number % counts[job], *next(pairs_of_job)))


@cache
def _requests_of(world: World, job: str) -> list[Request]:
    return walk_one(world, Case(job)).requests


def _crashes_under(operations: list[str], request: int | None) -> Iterator[int]:
    """Yield the crashes among ``operations`` that are worth walking under a fault at ``request``, if there is one.

    A crash before the answer to the previous request equals the crash without a fault. Some crashes leave the
    database and Cerby exactly as the next crash does: before an answer is read, because Cerby has done its work
    by then, and before a read request, unless the fault is in its answer. ``crash_points`` walks all of them.
    """
    answers = _answers(operations)
    first = answers[request - 1] + 1 if request else 1
    met = request is None
    for at in range(first, len(operations) + 1):
        kind = operations[at - 1]
        if kind in {"commit", "statement", "send"} or not met:
            yield at
        met = met or kind in {"ask", "send"}


def _answers(operations: list[str]) -> list[int]:
    """Return the numbers of the operations that received an answer from Cerby."""
    return [number for number, kind in enumerate(operations, start=1) if kind == "receive"]


@contextmanager
def _errors_in_the_log() -> Iterator[list[str]]:
    """Collect the exceptions that the recovery caught and logged: each is a bug of the portal."""
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
