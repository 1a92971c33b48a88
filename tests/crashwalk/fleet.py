"""Run the portal's real processes: a sandbox, a web server with two workers, and a background worker.

``sandbox.launcher.run`` would end all of them when one dies. Here a killed process is restarted, as a service
manager does.
"""

from __future__ import annotations

import functools
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Self
from urllib.request import Request, urlopen

from sandbox.launcher.processes import end_with_parent
from tests.support import own_database
from tests.support.own_database import Address
from tests.support.ports import free_port

PASSWORD = "correct horse battery"
ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60  # seconds, on a machine that has much else to do
STOP_SECONDS = 20
FROM_HERE = ("PATH", "HOME", "PORTAL_SECRET_KEY", "PORTAL_PEPPERS", "PORTAL_EMAIL_URL")
"""Variables that the fleet shares with this process, so that sessions and fingerprints are the same."""


class ControlPort:
    """Call the sandbox's control port instead of ``SandboxProcess``."""

    def __init__(self, url: str) -> None:
        self._url = url

    def journal(self) -> list[dict[str, Any]]:
        return self._ask("GET", "/journal")

    def api_keys(self) -> list[dict[str, Any]]:
        return self._ask("GET", "/keys")

    def set_clock(self, offset: timedelta) -> None:
        self._ask("POST", "/clock", {"offset": offset.total_seconds()})

    def set_faults(self, rules: list[dict[str, Any]]) -> None:
        self._ask("PUT", "/faults", rules)

    def has_late_work(self) -> bool:
        return False

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = Request(self._url + path, data, {"Content-Type": "application/json"}, method=method)
        with urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)


class Fleet:
    """A context manager that ends all processes. ``url`` is the portal's, ``sandbox_url`` the sandbox's.

    ``web_options`` are for gunicorn, and ``env`` for all processes.
    """

    def __init__(self, data: Path, database: Address, *web_options: str, **env: str) -> None:
        self.data = data
        (data / "sandbox").mkdir(parents=True)
        port = free_port()
        self.url = f"http://localhost:{port}"
        self._env = {name: os.environ[name] for name in FROM_HERE if name in os.environ} | {
            "PORTAL_DATA_DIR": str(data),
            "PORTAL_URL": self.url,
            "DEMO_PASSWORD": PASSWORD,
            "PORTAL_AUDIT_SIGNING_KEY": "5a" * 32,
            "WEB_CONCURRENCY": "2",
            **env,
        }
        if isinstance(database, str):
            self._env["DATABASE_URL"] = database
        self._web_command = ["-m", "gunicorn", "--config", "portal/gunicorn.conf.py"]
        self._web_command += [*web_options, "--bind", f"127.0.0.1:{port}", "portal.wsgi:application"]
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        try:
            self._start_all()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._running.values():
            process.kill()
        for process in self._running.values():
            process.wait(STOP_SECONDS)

    def _start_all(self) -> None:
        options = ["--data-dir", str(self.data / "sandbox"), "--port", "0", "--control-port", "0"]
        self._start("sandbox", ["-m", "sandbox", "--vaults", "1", *options])
        self._wait("sandbox", lambda: "control port" in self._output("sandbox"))
        self.sandbox_url = re.findall(r"listens on (\S+)", self._output("sandbox"))[0]
        self.control = ControlPort(re.findall(r"control port is (\S+)", self._output("sandbox"))[0])
        self._env["CERBY_BASE_URL"] = self.sandbox_url
        self.run("-m", "sandbox.launcher.prepare", "--with-demo")
        self.start_worker()
        self._start("web", self._web_command)
        self._wait("web", self.answers)

    def run(self, *command: str) -> None:
        """Run ``command``. Raises AssertionError, with its output, if it fails."""
        done = subprocess.run(
            [sys.executable, *command], cwd=ROOT, env=self._env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def wait_for_checkpoint(self, database: Address) -> None:
        """Wait until the worker has signed the events so far."""
        newest = "SELECT count(*) FROM keys_checkpoint"
        self._wait("worker", lambda: own_database.rows(database, newest)[0][0] > 0)

    def start_worker(self) -> None:
        self._start("worker", ["manage.py", "worker"])

    def kill_worker(self) -> None:
        """Kill and restart the background worker."""
        self._running["worker"].kill()
        self._running["worker"].wait(STOP_SECONDS)
        self.start_worker()

    def kill_web_worker(self) -> None:
        """Kill one of the two web workers; gunicorn's main process starts another."""
        for child in children_of(self._running["web"].pid)[:1]:
            kill_if_there(child)

    def kill_all_of_the_portal(self) -> None:
        """Kill the web server and the worker, but not the sandbox or the database."""
        for name in ("web", "worker"):
            process = self._running.pop(name)
            workers = children_of(process.pid)
            process.kill()
            process.wait(STOP_SECONDS)
            for child in workers:
                kill_if_there(child)

    def answers(self) -> bool:
        try:
            with urlopen(f"{self.url}/livez", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def _start(self, name: str, command: list[str]) -> None:
        with self._log(name).open("ab") as log:
            self._running[name] = subprocess.Popen(
                [sys.executable, *command],
                cwd=ROOT,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=functools.partial(end_with_parent, os.getpid()),  # noqa: PLW1509 - no threads yet
            )

    def _wait(self, name: str, is_ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not is_ready():
            assert self._running[name].poll() is None, self._output(name)
            assert time.monotonic() < deadline, self._output(name)
            time.sleep(0.05)

    def _log(self, name: str) -> Path:
        return self.data / f"{name}.log"

    def _output(self, name: str) -> str:
        return self._log(name).read_text()


def children_of(parent: int) -> list[int]:
    """Return the ids of the child processes of ``parent``, lowest first."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                facts = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it has just ended
            if int(facts[1]) == parent:
                found.append(int(entry.name))
    return sorted(found)


def kill_if_there(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
