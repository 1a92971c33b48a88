"""Run a sample of the walk's crashes and faults. ``make nightly`` runs more, and ``make crashwalk`` all of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.crashwalk.jobs import JOBS
from tests.crashwalk.without import GUARDS
from tests.databases import POSTGRESQL, SQLITE

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 240  # seconds, on a busy machine
PAIRS = 3
MIGRATED = {SQLITE: "migrated_sqlite", POSTGRESQL: "postgresql_data"}
"""The fixtures with which the walk starts on each database."""
ON_POSTGRESQL = ("issue-acknowledge", "delete")
"""The jobs that run there in ``make test``, where each case takes twice as long. The others run on SQLite."""

pytestmark = pytest.mark.long


@pytest.mark.parametrize("kind", MIGRATED)
def test_no_crash_leaves_a_live_key_that_nobody_holds_and_each_missing_guard_is_noticed(
    kind, nightly, request
):
    """Run the walk in a separate process, because a test runner has threads and must not fork.

    Each job runs on one of the databases, with every third crash, and with each of its guards removed. ``make
    nightly`` runs every job on both, with every crash that differs from the next.
    """
    jobs = [job for job in JOBS if nightly or (job in ON_POSTGRESQL) == (kind == POSTGRESQL)]
    chosen = [option for name in jobs for option in ("--job", name)]
    migrated = request.getfixturevalue(MIGRATED[kind])
    chosen += ["--sample", str(PAIRS), "--step", "1" if nightly else "3"]
    chosen += ["--database", kind, "--migrated", str(migrated)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.crashwalk", *chosen],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("; 0 wrong") == 1
    guards = [guard for guard in GUARDS.values() if guard.job in jobs]
    assert guards
    assert done.stdout.count("without ") == len(guards)
    assert "NOT SEEN" not in done.stdout
