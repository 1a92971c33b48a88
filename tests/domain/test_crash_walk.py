"""The portal dies at everything it does for good: a part of the walk, which ``make crashwalk`` does in full."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 240  # seconds, on a machine that has much else to do
PAIRS = 12


def walk(*arguments: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own: it forks, which a test runner, having threads, must not."""
    return subprocess.run(
        [sys.executable, "-m", "tests.crashwalk", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


@pytest.mark.parametrize(
    "jobs",
    [
        ["issue-save", "issue-acknowledge", "delete", "rescope", "sweep-discover", "sweep-revoke"],
        ["paste", "settle", "timers"],
    ],
)
def test_wherever_it_dies_no_key_lives_that_nobody_holds(jobs):
    done = walk("--sample", str(PAIRS), *(word for job in jobs for word in ("--job", job)))
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 wrong" in done.stdout.splitlines()[-1]


def test_the_walk_sees_when_a_guard_is_missing():
    done = walk("--guards")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "NOT SEEN" not in done.stdout
