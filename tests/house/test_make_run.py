"""`make run`: start, use and stop the real processes."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from sandbox.launcher.processes import RunError
from sandbox.launcher.run import Options
from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 180  # for a loaded machine; an idle one needs about 5
STOP_SECONDS = 60

pytestmark = pytest.mark.long


class Run:
    """One `python -m sandbox.launcher.run` with its own data directory."""

    def __init__(self, data: Path, output: Path, **env: str) -> None:
        self.data = data
        self.output = output
        self.port = env.setdefault("PORT", str(free_port()))
        self.url = f"http://localhost:{self.port}"
        inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        own = {"PORTAL_DATA_DIR": str(data), "WEB_CONCURRENCY": "1"}
        with output.open("wb") as stdout:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "sandbox.launcher.run"],
                cwd=ROOT,
                env=inherited | own | env,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def printed(self) -> str:
        return self.output.read_text()

    @property
    def sandbox_url(self) -> str:
        return re.search(r"Cerby sandbox: (\S+)", self.printed)[1]

    def wait_until_up(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while "Ctrl-C stops everything." not in self.printed:
            assert self.process.poll() is None, self.printed
            assert time.monotonic() < deadline, self.printed
            time.sleep(0.05)

    def wait_until_ended(self) -> int:
        return self.process.wait(STOP_SECONDS)

    def pids(self) -> list[int]:
        """Return the pids of the launcher and its children, which have this data directory in their environment."""
        mark = f"PORTAL_DATA_DIR={self.data}\0".encode()
        processes = [entry for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
        return [int(entry.name) for entry in processes if mark in environ_of(entry)]

    def sandbox_pids(self) -> list[int]:
        return self._pids_of(b"-m\0sandbox\0")

    def worker_pids(self) -> list[int]:
        return self._pids_of(b"manage.py\0worker\0")

    def _pids_of(self, command: bytes) -> list[int]:
        return [pid for pid in self.pids() if command in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def wait_until_no_process_is_left(self) -> None:
        deadline = time.monotonic() + STOP_SECONDS
        while left := self.pids():
            assert time.monotonic() < deadline, [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in left]
            time.sleep(0.05)


def environ_of(process: Path) -> bytes:
    try:
        return (process / "environ").read_bytes()
    except OSError:
        return b""


@pytest.fixture
def start(tmp_path):
    """Return a function that starts the portal on tmp_path/<name>. Stop all runs after the test."""
    runs: list[Run] = []

    def start(name: str = "data", **env: str) -> Run:
        runs.append(Run(tmp_path / name, tmp_path / f"output-{len(runs)}", **env))
        return runs[-1]

    yield start
    for run in runs:
        run.process.send_signal(signal.SIGTERM)
    for run in runs:
        run.wait_until_ended()
        run.wait_until_no_process_is_left()


def sign_in(run: Run, email: str, password: str) -> requests.Response:
    with requests.Session() as browser:
        browser.trust_env = False
        page = browser.get(f"{run.url}/accounts/login/", timeout=20)
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)[1]
        form = {"csrfmiddlewaretoken": token, "login": email, "password": password}
        return browser.post(f"{run.url}/accounts/login/", data=form, timeout=20)


def people(run: Run) -> set[tuple[object, str]]:
    with contextlib.closing(sqlite3.connect(run.data / "portal.sqlite3")) as database:
        return set(database.execute("SELECT id, email FROM keys_user"))


_WITHOUT_VALUES = """
    SELECT name FROM keys_apikey WHERE NOT EXISTS (
        SELECT 1 FROM keys_auditevent WHERE key_id = keys_apikey.id AND details ->> 'scopes' <> ''
        AND details ->> 'expires_at' <> ''
        AND (
            type = 'key:request' AND actor_id IS NOT NULL AND details ->> 'purpose' <> ''
            OR type = 'key:discover' AND details ->> 'owner_id' <> ''
        )
    )
"""


def expect_a_story(run: Run) -> None:
    """Expect events of many days and people, in order of time, and a log without damage."""
    with contextlib.closing(sqlite3.connect(run.data / "portal.sqlite3")) as database:
        events = list(
            database.execute(
                "SELECT at, outcome, actor_name FROM keys_auditevent WHERE at < datetime('now') ORDER BY id"
            )
        )
        deadline = time.monotonic() + START_SECONDS
        verified = "SELECT events, failure FROM keys_verification WHERE finished_at IS NOT NULL"
        while not (done := database.execute(verified).fetchall()):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        damaged = database.execute(
            "SELECT count(*) FROM keys_auditevent WHERE type = 'record:verify' AND outcome <> 'done'"
        )
        reports = database.execute("SELECT damage, events FROM keys_verification").fetchall()
        assert damaged.fetchone() == (0,), reports
        unknown = database.execute(_WITHOUT_VALUES).fetchall()
        assert unknown == [], "the verification can compare owner, purpose, scopes and expiry of each key"
    assert done[0][1] == ""
    assert [at for at, *_ in events] == sorted(at for at, *_ in events)
    assert len({at[:10] for at, *_ in events}) > 30
    assert len({name for *_, name in events}) > 8
    assert [outcome for _, outcome, _ in events].count("refused") >= 4


def test_a_first_run_serves_and_stops_and_a_second_keeps_the_data_and_its_port(start):
    first = start(DEMO_PASSWORD="correct horse battery")
    first.wait_until_up()
    for role in ("owner", "super-admin", "admin", "user", "login-only", "guest"):
        assert f"{role}@contenzilla.example" in first.printed
    assert "correct horse battery" in first.printed
    assert f"{first.url}/" in first.printed
    assert requests.get(f"{first.sandbox_url}/healthz", timeout=20).status_code == 200
    assert sign_in(first, "owner@contenzilla.example", "correct horse battery").url == f"{first.url}/"
    expect_a_story(first)
    people_before, secret_before = people(first), (first.data / "secret-key").read_text()

    first.process.send_signal(signal.SIGINT)
    assert first.wait_until_ended() == 0
    assert first.pids() == []

    second = start()
    second.wait_until_up()
    assert people(second) == people_before
    assert (second.data / "secret-key").read_text() == secret_before
    assert second.sandbox_url == first.sandbox_url
    assert "correct horse battery" not in second.printed
    password = re.search(r"\b[0-9a-f]{4}(-[0-9a-f]{4}){3}\b", second.printed)[0]
    assert sign_in(second, "admin@contenzilla.example", password).url == f"{second.url}/"
    open_to_others = [p for p in second.data.iterdir() if stat.S_IMODE(p.stat().st_mode) & 0o077]
    assert open_to_others == []

    same_port = start("elsewhere", PORT=second.port)
    assert same_port.wait_until_ended() == 1
    assert same_port.printed.startswith(f"Port {second.port} is in use. ")
    assert same_port.printed.count("\n") == 1

    same_data = start()
    assert same_data.wait_until_ended() == 1
    assert "already running" in same_data.printed
    assert same_data.printed.count("\n") == 1

    # A killed launcher leaves no process.
    assert len(second.pids()) >= 3  # the launcher, the sandbox, the portal
    second.process.kill()
    second.wait_until_ended()
    second.wait_until_no_process_is_left()


@pytest.fixture
def migrated(tmp_path, migrated_sqlite):
    """Let the next run find a migrated database, because migrations take longer."""
    (tmp_path / "data").mkdir()
    shutil.copy(migrated_sqlite, tmp_path / "data/portal.sqlite3")


def test_with_a_real_workspace_there_is_no_sandbox_and_no_demo_people_and_if_a_child_dies_the_others_end(
    start, migrated
):
    run = start(CERBY_BASE_URL="https://contenzilla.cerby.com", CERBY_WORKSPACE="contenzilla")
    run.wait_until_up()
    assert "manage.py add_person YOUR-EMAIL" in run.printed
    assert "contenzilla.example" not in run.printed
    assert people(run) == set()
    assert run.sandbox_pids() == []

    for pid in run.worker_pids():
        os.kill(pid, signal.SIGKILL)
    assert run.wait_until_ended() == 1
    assert "The worker ended unexpectedly (signal SIGKILL)." in run.printed
    assert run.pids() == []


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("PORT", "eight", "PORT must be a whole number from 1 to "),
        ("PORT", "0", "PORT must be a whole number from 1 to "),
        ("PORT", "65536", "PORT must be a whole number from 1 to "),
        ("DEMO_VAULTS", "3", "DEMO_VAULTS must be a whole number from 1 to "),
        ("CHAOS", "often", "CHAOS must be 1, or a share of all requests such as 0.1"),
    ],
)
def test_a_value_out_of_range_is_reported_in_one_sentence(monkeypatch, name, value, sentence):
    monkeypatch.setenv(name, value)
    with pytest.raises(RunError, match=f"^{sentence}[^\n]*$"):
        Options.from_environment()


def test_an_unknown_setting_is_reported_in_one_sentence(start):
    run = start(PORTAL_COLOUR="blue")
    assert run.wait_until_ended() == 1
    assert "Unknown setting PORTAL_COLOUR." in run.printed
    assert "Traceback" not in run.printed


def test_an_unusable_data_directory_is_reported_in_one_sentence(start, tmp_path):
    (tmp_path / "data").write_text("in the way")
    run = start()
    assert run.wait_until_ended() == 1
    assert run.printed.startswith(f"The data directory {tmp_path}/data cannot be used: ")
    assert run.printed.count("\n") == 1
