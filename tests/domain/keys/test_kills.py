"""Kill the portal's processes and PostgreSQL under load: no confirmed action is lost."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 300  # seconds, on a busy machine

pytestmark = [pytest.mark.long, pytest.mark.nightly]  # the crash walk kills at each step in make test


def test_after_kills_nothing_is_lost_and_the_other_processes_continue(postgresql_data):
    chosen = ["--kills", "2", "--database", "postgresql", "--migrated", str(postgresql_data)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.crashwalk", *chosen],
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
