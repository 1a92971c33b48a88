"""The faults under the real server, `python -m sandbox`."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.sandbox.test_command import SECONDS, credential, running

if TYPE_CHECKING:
    from pathlib import Path


def ask(method: str, url: str, given: Any = None, **headers: str) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.request(method, url, json=given, headers=headers, timeout=SECONDS)


def control_url(process: subprocess.Popen[str]) -> str:
    process.stdout.readline()  # the line about the credentials
    return re.search(r"http://\S+", process.stdout.readline())[0]


def get_users(data_dir: Path) -> bytes:
    key = credential(data_dir, "cerby-api-key")
    return f"GET /api/v1/users HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\n\r\n".encode()


def connect(url: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=SECONDS)


def test_faults_below_http(tmp_path):
    with running(tmp_path, "--control-port", "0") as (process, url):
        control = control_url(process)
        request = get_users(tmp_path)

        ask("PUT", f"{control}/faults", [{"fault": "reset-unread"}])
        with connect(url) as client:
            client.sendall(request)
            with pytest.raises(ConnectionResetError):
                client.recv(1)

        ask("PUT", f"{control}/faults", [{"fault": "slow-bytes", "seconds": 0.001}])
        with connect(url) as client:
            client.sendall(b"GET /api/v1/users HTTP/1.1\r\nHost: x\r\n\r\n")
            pieces = list(iter(lambda: client.recv(65_536), b""))
        assert len(pieces) > 100
        assert b"".join(pieces).startswith(b"HTTP/1.1 401 Unauthorized\r\n")

        ask(
            "PUT",
            f"{control}/faults",
            [{"fault": "created-truncated"}, {"fault": "huge-body", "size": 10**6}],
        )
        assert len(ask("GET", f"{url}/api/v1/users", **{"X-API-Key": "x"}).content) > 10**6

        with connect(url) as idle:
            idle.sendall(request)  # answered; the connection stays open for the next request
            idle.recv(1)
            ask("PUT", f"{control}/faults", [{"fault": "refuse-connections"}])
            with pytest.raises(ConnectionRefusedError):
                connect(url)
            while idle.recv(65_536):
                pass  # until the connection closes
        ask("DELETE", f"{control}/faults")
        assert ask("GET", f"{url}/healthz").ok

        assert [entry["fault"] for entry in ask("GET", f"{control}/journal").json()] == [
            "reset-unread",
            "slow-bytes",
            "huge-body",
            "huge-body",
        ]
        process.terminate()
        assert process.wait(SECONDS) == 0
        assert process.stderr.read() == ""


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_a_hang_does_not_delay_the_stop(tmp_path, end):
    with running(tmp_path, "--control-port", "0") as (process, url):
        control = control_url(process)
        ask("PUT", f"{control}/faults", [{"fault": "hang-after-commit"}])
        with connect(url) as client:
            client.sendall(get_users(tmp_path))
            while not ask("GET", f"{control}/journal").json():
                time.sleep(0.01)
            process.send_signal(end)
            with pytest.raises(ConnectionResetError):
                client.recv(1)
        assert process.wait(SECONDS) == 0
        assert process.stderr.read() == ""


def test_chaos_can_be_repeated(tmp_path):
    outcomes = []
    for number in range(2):
        with running(tmp_path / str(number), "--chaos", "0.4", "--seed", "18") as (process, url):
            process.stdout.readline()  # the line about the credentials
            assert process.stdout.readline() == (
                "Chaos: a fault happens to 40.0% of all requests. Repeat it with --chaos 0.4 --seed 18\n"
            )
            outcomes.append([outcome(url) for _ in range(20)])
    assert outcomes[0] == outcomes[1]
    assert {"reset", "504", "422"} <= set(outcomes[0])
    assert outcomes[0].count("404") > 5


def test_the_first_requests_may_be_left_alone(tmp_path):
    # With this seed, no fault takes seconds.
    with running(tmp_path, "--chaos", "0.4", "--seed", "8", "--calm", "30") as (_, url):
        outcomes = [outcome(url) for _ in range(60)]
    assert set(outcomes[:30]) == {"404"}
    assert len(set(outcomes[30:])) > 2


def outcome(url: str) -> str:
    """Send a request without a credential and describe the result. Wait if the port is closed."""
    for _ in range(200):
        try:
            answer = ask("GET", f"{url}/api/v1/no-such")
        except requests.ConnectionError as error:
            if "refused" not in str(error):
                return "reset"
            time.sleep(0.02)
        else:
            return str(answer.status_code)
    return "down"
