"""The portal's processes and PostgreSQL's are killed under load: nothing that was answered as done is lost."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 300  # seconds, on a machine that has much else to do

pytestmark = pytest.mark.long


def test_whoever_is_killed_nothing_is_lost_and_the_others_go_on():
    done = subprocess.run(
        [sys.executable, "-m", "tests.crashwalk", "--kills", "2", "--database", "postgresql"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for victim in ("web worker", "background worker", "PostgreSQL"):
        assert re.search(rf"[1-9]\d* x {victim}", done.stdout)
    assert done.stdout.strip().endswith("; 0 wrong")
