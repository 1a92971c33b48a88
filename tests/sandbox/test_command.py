"""`python -m sandbox` as a real process, without Django and without the portal's settings."""

from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).parents[2]
SECONDS = 20
ENVIRONMENT = {"PATH": os.environ["PATH"]}
VAULTS_WITHOUT_API = ["Finance (closed)", "Olivia's laptop"]  # they take no secret over the API


def command(data_dir: Path, *options: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "sandbox",
        "--data-dir",
        str(data_dir),
        *options,
    ]


@contextmanager
def running(data_dir: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = subprocess.Popen(
        command(data_dir, "--port", "0", *options),
        cwd=PROJECT,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            address = re.search(r"http://\S+", process.stdout.readline())
            assert address, process.stderr.read()
            yield process, address[0]
        finally:
            process.terminate()


def get(url: str, path: str, **headers: str) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.get(f"{url}{path}", headers=headers, timeout=SECONDS)


def vaults(url: str, key: dict[str, str]) -> list[str]:
    return [vault["attributes"]["name"] for vault in get(url, "/api/v1/vaults", **key).json()["data"]]


def credential(data_dir: Path, name: str) -> str:
    return (data_dir / name).read_text().strip()


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_the_demo_workspace_until_it_is_stopped(tmp_path, end):
    with running(tmp_path) as (process, url):
        assert get(url, "/healthz").json() == {"status": "ok"}
        key = {"X-API-Key": credential(tmp_path, "cerby-api-key")}
        token = {"Authorization": f"Bearer {credential(tmp_path, 'cerby-token')}"}
        for path in ("users", "vaults", "secrets", "accounts"):
            assert get(url, f"/api/v1/{path}", **key).ok
        mine = get(url, "/api/v1/api-keys?sort=-createdAt", **token).json()["data"][0]["attributes"]
        assert (mine["name"], mine["ownerEmail"]) == ("Key portal", "owner@contenzilla.example")
        assert vaults(url, key) == ["Shared credentials", "Automation", *VAULTS_WITHOUT_API]
        process.send_signal(end)
        assert process.wait(SECONDS) == 0
        assert process.stderr.read() == ""
        with pytest.raises(requests.ConnectionError):
            get(url, "/healthz")


def test_the_credentials_are_private_and_stay_the_same(tmp_path):
    names = ("cerby-token", "cerby-api-key")
    with running(tmp_path, "--vaults", "1"):
        first = [credential(tmp_path, name) for name in names]
        for name in names:
            assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    (tmp_path / names[0]).chmod(0o644)
    with running(tmp_path) as (_, url):
        assert [credential(tmp_path, name) for name in names] == first
        assert stat.S_IMODE((tmp_path / names[0]).stat().st_mode) == 0o600
        assert vaults(url, {"X-API-Key": first[1]}) == ["Shared credentials", *VAULTS_WITHOUT_API]


def test_a_credential_that_does_not_work_is_replaced(tmp_path):
    with running(tmp_path):
        old = credential(tmp_path, "cerby-api-key")
    (tmp_path / "cerby-token").write_text("sbt_wrong\n")
    with closing(sqlite3.connect(tmp_path / "sandbox.sqlite3")) as db, db:
        db.execute("UPDATE api_keys SET expires_at = '2020-01-01T00:00:00.000000Z'")
    with running(tmp_path) as (_, url):
        assert credential(tmp_path, "cerby-api-key") != old
        assert get(url, "/api/v1/users", **{"X-API-Key": credential(tmp_path, "cerby-api-key")}).ok
        token = credential(tmp_path, "cerby-token")
        assert get(url, "/api/v1/users", Authorization=f"Bearer {token}").ok


def end_of(data_dir: Path, *options: str) -> tuple[int, str, str]:
    """Return the exit status, output and error output of a command that cannot start."""
    ended = subprocess.run(
        command(data_dir, *options),
        cwd=PROJECT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    return ended.returncode, ended.stdout, ended.stderr


def test_a_port_in_use_is_reported_in_one_sentence(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = end_of(tmp_path / "data", "--port", str(port))
    sentence = f"Port {port} on 127.0.0.1 is in use. Choose another with --port.\n"
    assert ended == (1, "", sentence)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--prot", "8001"], "Unrecognized arguments: --prot 8001"),
        (["--port", "99999"], "Argument --port: '99999' is not a whole number from 0 to 65535"),
        (["--control-port", "-1"], "Argument --control-port: '-1' is not a whole number from 0 to 65535"),
        (["--chaos", "7"], "Argument --chaos: '7' is not a number from 0 to 1"),
        (["--chaos", "often"], "Argument --chaos: 'often' is not a number from 0 to 1"),
        (["--calm", "-1"], "Argument --calm: '-1' is not a whole number from 0 to 1000000000"),
        (["--vaults", "3"], "Argument --vaults: invalid choice: 3 (choose from 1, 2)"),
    ],
)
def test_a_wrong_option_is_reported_in_one_sentence(tmp_path, options, problem):
    sentence = f"{problem}. See python -m sandbox --help.\n"
    assert end_of(tmp_path / "data", *options) == (2, "", sentence)
    assert not (tmp_path / "data").exists()


def test_a_host_of_another_machine_is_reported_in_one_sentence(tmp_path):
    status, output, error = end_of(tmp_path, "--host", "192.0.2.1", "--port", "0")
    assert (status, output) == (1, "")
    assert error.startswith("The sandbox cannot listen on 192.0.2.1, port 0 (")
    assert error.count("\n") == 1


def file_instead_of_folder(data_dir: Path) -> str:
    data_dir.touch()
    return "File exists"


def file_instead_of_parent(data_dir: Path) -> str:
    data_dir.parent.rmdir()
    data_dir.parent.touch()
    return "Not a directory"


def text_instead_of_database(data_dir: Path) -> str:
    data_dir.mkdir()
    (data_dir / "sandbox.sqlite3").write_text("This is a text, not a database. " * 100)
    return "sandbox.sqlite3: file is not a database"


def folder_instead_of_credential(data_dir: Path) -> str:
    (data_dir / "cerby-token").mkdir(parents=True)
    return "Is a directory"


def read_only_folder(data_dir: Path) -> str:
    data_dir.symlink_to("/proc")  # not even root may create a file there
    return "sandbox.sqlite3: unable to open database file"


@pytest.mark.parametrize(
    "spoil",
    [
        file_instead_of_folder,
        file_instead_of_parent,
        text_instead_of_database,
        folder_instead_of_credential,
        read_only_folder,
    ],
)
def test_a_data_folder_that_cannot_be_used_is_reported_in_one_sentence(tmp_path, spoil):
    data_dir = tmp_path / "parent" / "data"
    data_dir.parent.mkdir()
    reason = spoil(data_dir)
    sentence = f"The data folder {data_dir} cannot be used ({reason}). Choose one with --data-dir.\n"
    assert end_of(data_dir, "--port", "0") == (1, "", sentence)
