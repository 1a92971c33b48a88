"""Run real background workers, and wait for their results."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.utils import timezone

from keys.models import PeriodicJob
from tests.support.own_database import Address
from tests.support.script import ROOT

PATIENCE = 60.0  # seconds, for a loaded machine


class Workers:
    """The background workers of a portal at ``database``, with its data in ``folder`` and the sandbox of ``settings``.

    ``more`` are additional environment variables, and ``program`` is what Python runs instead of manage.py.
    """

    def __init__(
        self,
        folder: Path,
        database: Address,
        settings: Any,
        program: tuple[str, ...] = ("manage.py",),
        **more: str,
    ) -> None:
        self._program = [sys.executable, *program]
        self._log = folder / "worker.log"
        self._env = os.environ | {
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            "PORTAL_DATA_DIR": str(folder),
            "DATABASE_URL": database if isinstance(database, str) else "",
            "CERBY_BASE_URL": settings.CERBY_BASE_URL,
            "CERBY_TOKEN": settings.CERBY_TOKEN,
            "CERBY_API_KEY": settings.CERBY_API_KEY,
            **more,
        }

    @contextmanager
    def one(self) -> Iterator[subprocess.Popen[bytes]]:
        """Start a worker, and kill it at the end of the block if it still runs."""
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                [*self._program, "worker"], cwd=ROOT, env=self._env, stdout=log, stderr=log
            )
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def run(self, *command: str) -> None:
        """Run a command of manage.py on this machine. Raises ``CalledProcessError`` if it fails."""
        subprocess.run([*self._program, *command], cwd=ROOT, env=self._env, check=True, capture_output=True)

    def said(self) -> list[str]:
        """Return the events in their log, in order."""
        lines = self._log.read_text().splitlines()
        return [json.loads(line)["event"] for line in lines if line.startswith("{")]


def wait_until(happens: Callable[[], object], seconds: float = PATIENCE) -> None:
    end = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)


def noted(name: str, **columns: Any) -> Callable[[], bool]:
    """Return a function that tests if the row of the job ``name`` has these values."""
    return PeriodicJob.objects.filter(name=name, **columns).exists


def due_again(*names: str) -> None:
    PeriodicJob.objects.filter(name__in=names).update(due_at=timezone.now())
