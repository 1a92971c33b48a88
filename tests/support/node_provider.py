"""Run one of the real sign-in providers of sandbox/provider for a test."""

from __future__ import annotations

import json
import select
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sandbox.launcher import provider
from tests.house.project import ROOT

SECONDS = 60  # for a loaded machine; about 0.3 on an idle one


@contextmanager
def running(script: str, config: dict[str, Any], folder: Path) -> Iterator[None]:
    """Run ``script`` with ``config`` until the block ends."""
    assert provider.missing() == "", "Run .ci/provider."
    path = folder / f"{script}.json"
    path.write_text(json.dumps(config))
    command = ["node", str(ROOT / "sandbox" / "provider" / script), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert select.select([process.stdout], [], [], SECONDS)[0], "it did not start"
            assert process.stdout.readline().startswith(b"Ready: ")
            yield
        finally:
            process.terminate()
