"""`make cleanruns`: make thousands of clean runs on each kind of database and report the results."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path

import django
from django.test import override_settings

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
django.setup()

from tests.support import own_database, racing  # noqa: E402 - models can be imported only now
from tests.support.clean_runs import FORGED, PROCESSES, RUNNER, VERIFIER, Run  # noqa: E402
from tests.support.own_database import Address  # noqa: E402
from tests.support.postgresql_server import serving  # noqa: E402

ON_ONE_DATABASE = 10
"""Consecutive runs: more than 1,000 events, several tiles of the tree, two pages of the reader."""

SAID_EVERY = 50


def sqlite() -> Generator[Address, None, None]:
    """Yield empty migrated databases, one at a time: the previous one is deleted."""
    with tempfile.TemporaryDirectory() as folder:
        migrated = Path(folder, "portal.sqlite3")
        own_database.create(migrated)
        while True:
            with tempfile.TemporaryDirectory() as own:
                yield Path(shutil.copy(migrated, own))


def postgresql() -> Generator[Address, None, None]:
    """The same."""
    with serving() as server:
        server.create("migrated")
        own_database.create(server.url("migrated"))
        while True:
            server.create("own", template="migrated")
            yield server.url("own")
            server.drop("own")


KINDS = {"sqlite": sqlite, "postgresql": postgresql}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make cleanruns", description=__doc__)
    parser.add_argument("runs", type=int, nargs="?", default=1000)
    parser.add_argument("--database", choices=KINDS, help="only on this kind")
    asked = parser.parse_args()
    kinds = [asked.database] if asked.database else KINDS
    clean = [_are_clean(kind, asked.runs) for kind in kinds]
    sys.exit(0 if all(clean) else 1)


def _are_clean(kind: str, runs: int) -> bool:
    """Return whether no run raised an alarm except the control."""
    with closing(KINDS[kind]()) as fresh:
        ((_, _, control),) = _race(next(fresh), [FORGED])
        print(
            f"{kind}: the control, in which one event is forged: {'; '.join(control) or 'NO ALARM'}",
            flush=True,
        )
        done = verified = false = 0
        started = time.monotonic()
        while done < runs:
            for run, times, alarms in _race(next(fresh), range(done, min(done + ON_ONE_DATABASE, runs))):
                done, verified, false = done + 1, verified + times, false + bool(alarms)
                for words in alarms:
                    print(f"{kind}: FALSE ALARM in run {run}: {words}")
            if done % SAID_EVERY == 0 or done == runs:
                minutes = (time.monotonic() - started) / 60
                print(f"{kind}: {done:,} runs, {verified:,} verifications, {minutes:.1f} min", flush=True)
    found = f"false alarms in {false:,} of them" if false else "no false alarm"
    print(f"{kind}: {runs:,} clean runs, {found}{'' if control else '; but the control was NOT FOUND'}.")
    return bool(control) and not false


def _race(database: Address, runs: Sequence[Run]) -> Generator[tuple[Run, int, list[str]], None, None]:
    """Yield, for each run, the number of verifications and the new alarms."""
    known: set[str] = set()
    task = {"database": str(database), "runner": RUNNER, "subjects": list(runs), "processes": PROCESSES}
    with tempfile.TemporaryDirectory() as audit, override_settings(PORTAL_AUDIT_DIR=Path(audit)):
        answers = racing.run(task)
    for run, answer in zip(runs, answers, strict=True):
        alarms = answer[VERIFIER]["alarms"]
        yield run, answer[VERIFIER]["verified"], [alarms[kind] for kind in alarms.keys() - known]
        known |= alarms.keys()


if __name__ == "__main__":
    main()
