"""Run the crashes of the walk that differ, and a sample of its faults. ``make crashwalk`` runs all of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.crashwalk.without import GUARDS
from tests.databases import VENDORS

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 240  # seconds, on a busy machine
PAIRS = 5

pytestmark = pytest.mark.long


def test_no_crash_leaves_a_live_key_that_nobody_holds_and_each_missing_guard_is_noticed(nightly):
    """Run the walk in a separate process, because a test runner has threads and must not fork.

    ``make nightly`` runs it on both databases.
    """
    databases = VENDORS if nightly else VENDORS[:1]
    chosen = [option for name in databases for option in ("--database", name)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.crashwalk", "--sample", str(PAIRS), *chosen],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("; 0 wrong") == len(databases)
    assert done.stdout.count("without ") == len(GUARDS) * len(databases)
    assert "NOT SEEN" not in done.stdout
