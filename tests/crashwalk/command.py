"""Run the whole walk, a part of it, or one case."""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from sandbox.launcher.processes import end_with_parent
from tests.crashwalk.jobs import JOBS
from tests.crashwalk.kills import kill_under_load
from tests.crashwalk.rules import RULES
from tests.crashwalk.tally import Tally
from tests.crashwalk.walk import Case, Outcome, crash_points, sample, under, walk_one
from tests.crashwalk.without import GUARDS
from tests.crashwalk.world import World

Unit = tuple[str, str]
"""A job, and a fault or ""."""

KINDS = ["sqlite", "postgresql"]
SAMPLE = "every crash that differs from the next, so many of the pairs, and whether a portal that lacks a guard is caught"
KILL_FOR = 60.0  # seconds
SHOW_EVERY = 5.0  # seconds


def run() -> int:
    """Run the command and return the exit code: 0 if nothing is wrong."""
    asked = _arguments()
    logging.getLogger().handlers[:] = [logging.NullHandler()]  # faults cause many expected log lines
    return max([part(kind) for part in _parts(asked) for kind in asked.database or KINDS])


def _parts(asked: argparse.Namespace) -> list[Callable[[str], int]]:
    """Return the functions to call for each kind of database."""
    jobs = asked.job or list(JOBS)
    if asked.at is not None:
        case = Case(jobs[0], asked.at, asked.fault, asked.nth, asked.again, asked.stopped, asked.without)
        return [partial(_one, case)]
    if asked.kills is not None:
        return [partial(_kills, asked.kills, migrated=asked.migrated)]
    if asked.sample is not None:
        return [partial(_sample, jobs, asked.sample, asked.step, migrated=asked.migrated)]
    faults = [] if asked.crashes_only else [asked.fault] if asked.fault else list(RULES)
    units = [(job, fault) for fault in ["", *faults] for job in jobs]
    walk = partial(_walk_all, units, asked.processes)
    is_all = not (asked.job or asked.fault or asked.crashes_only)
    return [walk, _guards, partial(_kills, KILL_FOR)] if is_all else [walk]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.crashwalk", description=__doc__)
    parser.add_argument("--job", action="append", choices=JOBS, help="this job alone; may be repeated")
    parser.add_argument("--fault", choices=RULES, default="", metavar="FAULT", help="this fault alone")
    parser.add_argument("--crashes-only", action="store_true", help="no faults")
    parser.add_argument("--database", action="append", choices=KINDS, help="on this one alone")
    parser.add_argument("--sample", type=int, metavar="PAIRS", help=SAMPLE)
    parser.add_argument(
        "--kills", type=float, metavar="SECONDS", help="kill real processes under load instead"
    )
    parser.add_argument(
        "--step", type=int, default=1, help="with --sample: 2 for every second crash, and so on"
    )
    parser.add_argument(
        "--migrated", type=Path, help="start with this, for --sample or --kills on one database"
    )
    parser.add_argument("--processes", type=int, default=3 * (os.cpu_count() or 1), help="most of them wait")
    one = parser.add_argument_group("one case again, as a failure prints it")
    one.add_argument("--at", type=int, help="the operation before which it dies, from 1; 0: none")
    one.add_argument("--nth", type=int, default=0, help="the request that the fault happens to, from 0")
    one.add_argument("--again", action="store_true", help="the job is done once more after the crash")
    one.add_argument("--stopped", action="store_true", help="it is stopped after it, and goes on in the end")
    one.add_argument("--without", choices=GUARDS, default="", metavar="GUARD", help="a guard is missing")
    return parser.parse_args()


def _one(case: Case, kind: str) -> int:
    with World(kind) as world:
        outcome = walk_one(world, case)
    life = outcome.life
    print(f"operations: {' '.join(life.operations)}")
    print(f"asked of Cerby: {', '.join(' '.join(one) for one in outcome.requests) or 'nothing'}")
    print(f"answered: {', '.join(word for word, _ in life.answers) or 'nothing'} {life.refusal}")
    print("\n".join(outcome.wrong) or "Nothing is wrong.")
    return 1 if outcome.wrong else 0


def _kills(seconds: float, kind: str, migrated: Path | None = None) -> int:
    killed = kill_under_load(kind, seconds, migrated)
    print(f"{kind}: {killed}", *killed.wrong, sep="\n  ")
    return 1 if killed.wrong or not killed.rounds else 0


def _sample(jobs: list[str], pairs: int, step: int, kind: str, migrated: Path | None) -> int:
    with World(kind, migrated) as world:
        return max(_count(sample(world, jobs, pairs, step), kind), _try_guards(world, jobs))


def _guards(kind: str) -> int:
    with World(kind) as world:
        return _try_guards(world, list(JOBS))


def _try_guards(world: World, jobs: list[str]) -> int:
    """Remove each guard of ``jobs`` in turn. Return 0 if the oracle notices every time."""
    unseen = 0
    for name, guard in GUARDS.items():
        if guard.job not in jobs:
            continue
        case = Case(guard.job, guard.at, guard.fault, guard.nth, stopped=guard.stopped, without=name)
        outcome = walk_one(world, case)
        seen = [wrong for wrong in outcome.wrong if guard.wrong in wrong]
        unseen += not seen
        print(f"without {name}: {seen[0] if seen else f'NOT SEEN; repeat it with {case.command()}'}")
    return 1 if unseen else 0


def _walk_all(units: list[Unit], processes: int, kind: str) -> int:
    return _count(_side_by_side(units, processes, kind), kind)


def _count(outcomes: Iterable[Outcome], kind: str) -> int:
    tally, began, shown = Tally(), time.monotonic(), 0.0
    for outcome in outcomes:
        tally.add(outcome)
        if outcome.wrong:
            print(f"\n{outcome.case.command()} --database {kind}", *outcome.wrong, sep="\n  ", flush=True)
        if time.monotonic() - shown > SHOW_EVERY:
            shown = time.monotonic()
            _show_progress(tally, began)
    _show_progress(tally, began)
    print(f"\n\n{kind}\n{tally}")
    return 1 if tally.wrong or not tally.cases else 0


def _side_by_side(units: list[Unit], processes: int, kind: str) -> Iterator[Outcome]:
    """Let each process walk every n-th unit. Raises RuntimeError if one of them fails."""
    fork = multiprocessing.get_context("fork")
    results: Any = fork.SimpleQueue()  # has no thread, so that the processes that fill it can fork
    shares = [units[number::processes] for number in range(processes)]
    walkers = [fork.Process(target=_walk, args=(share, kind, results, os.getpid())) for share in shares]
    for walker in walkers:
        walker.start()
    ended = 0
    while ended < len(walkers):
        outcome = results.get()
        if outcome is None:
            ended += 1
        else:
            yield outcome
    for walker in walkers:
        walker.join()
        if walker.exitcode:
            raise RuntimeError("A part of the walk broke off; its error stands above.")


def _walk(units: list[Unit], kind: str, results: Any, parent: int) -> None:
    end_with_parent(parent)
    try:
        with World(kind) as world:
            for job, fault in units:
                for outcome in under(world, job, fault) if fault else crash_points(world, job):
                    results.put(outcome)
    finally:
        results.put(None)


def _show_progress(tally: Tally, began: float) -> None:
    minutes, seconds = divmod(int(time.monotonic() - began), 60)
    lead, end = ("\r", "") if sys.stdout.isatty() else ("", "\n")
    print(f"{lead}{minutes}:{seconds:02} {tally.cases} cases, {tally.wrong} wrong", end=end, flush=True)
