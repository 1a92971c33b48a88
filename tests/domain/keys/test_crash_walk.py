"""The portal dies at everything it does for good: a part of the walk, which ``make crashwalk`` does in full."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.crashwalk.without import GUARDS

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 240  # seconds, on a machine that has much else to do
PAIRS = 12

pytestmark = pytest.mark.long


def test_wherever_it_dies_no_key_lives_that_nobody_holds_and_a_missing_guard_is_seen():
    """In a process of its own: it forks, which a test runner, having threads, must not."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.crashwalk", "--sample", str(PAIRS), "--database", "sqlite"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "; 0 wrong" in done.stdout
    assert done.stdout.count("without ") == len(GUARDS)
    assert "NOT SEEN" not in done.stdout
