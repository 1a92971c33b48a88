"""Run a portal with its sandbox as real processes with their own data directory."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

from tests.support import own_database
from tests.support.own_database import Address
from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 180  # for a loaded machine; about 4 on an idle one
STOP_SECONDS = 60
PASSWORD = "correct horse battery"


class Portal:
    """Run `python -m sandbox.launcher.run` on a free port for a ``with`` block.

    ``data`` is the data directory and ``env`` are further settings. ``url`` has no trailing slash. The portal
    starts with a copy of ``migrated``, because migrations take longer.
    """

    def __init__(self, data: Path, *, migrated: Path | None = None, vaults: int = 2, **env: str) -> None:
        self.data = data
        self.database: Address = env.get("DATABASE_URL") or data / "portal.sqlite3"
        if migrated is not None:
            data.mkdir()
            shutil.copy(migrated, data / "portal.sqlite3")
        port = free_port()
        self.url = f"http://localhost:{port}"
        self._output = data.with_name(f"{data.name}-output")
        inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        mine = {
            "PORT": str(port),
            "PORTAL_DATA_DIR": str(data),
            "DEMO_PASSWORD": PASSWORD,
            "DEMO_VAULTS": str(vaults),
            "WEB_CONCURRENCY": "1",
        }
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "sandbox.launcher.run", "--parent", str(os.getpid())],
                cwd=ROOT,
                env=inherited | mine | env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.sandbox_url = ""

    def __enter__(self) -> Self:
        try:
            self._wait_until_up()
        except AssertionError:
            self._stop()
            raise
        self.sandbox_url = re.search(r"Cerby sandbox: (\S+)", self._output.read_text())[1]
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while "Ctrl-C stops everything." not in (said := self._output.read_text()):
            assert self._process.poll() is None, said
            assert time.monotonic() < deadline, said
            time.sleep(0.05)

    def _stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(STOP_SECONDS)

    def rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Query the portal's database."""
        return own_database.rows(self.database, sql, *parameters)

    def sandbox_rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        return own_database.rows(self.data / "sandbox" / "sandbox.sqlite3", sql, *parameters)

    def change(self, sql: str, *parameters: Any) -> None:
        """Write to the portal's database directly, to simulate the passing of time."""
        own_database.write(self.database, sql, *parameters, patience=20)
