"""Faults below HTTP: connections that are refused, reset, silent or slow, and very long bodies."""

from __future__ import annotations

import socket
import threading
import time
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
import requests

from sandbox import Sandbox
from sandbox.faults.connection import Connection
from sandbox.faults.gate import SOCKET, Gate
from tests.sandbox.faults import EXTERNAL_ID, ISSUE, external_ids, fault
from tests.sandbox.server import serve
from tests.sandbox.world import World, open_world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with open_world(tmp_path) as world:
        yield world


def failure(world: World, **attributes: Any) -> str:
    """Request a key, get no answer, and return the client's error."""
    with pytest.raises(requests.ConnectionError) as caught:
        world.issue(externalId=EXTERNAL_ID, **attributes)
    return str(caught.value)


def connect(world: World) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(world.url.rpartition(":")[2])), timeout=5)


def raw_get(world: World) -> bytes:
    return f"GET /api/v1/users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {world.token()}\r\n\r\n".encode()


@pytest.mark.parametrize(("name", "is_done"), [("reset-unread", False), ("reset-after-commit", True)])
def test_a_reset(world, name, is_done):
    fault(world, name, ISSUE, count=1)
    assert "reset by peer" in failure(world)
    assert external_ids(world) == ([EXTERNAL_ID] if is_done else [])
    entry = world.sandbox.journal()[-1]
    assert (entry["fault"], entry["status"], entry["committed"]) == (name, 0, is_done)
    assert (entry["external_id"] is None) is (name == "reset-unread")
    assert world.issue().status_code == 201  # the next request is answered


def test_a_reset_is_a_tcp_reset(world):
    fault(world, "reset-unread", count=1)
    with connect(world) as client:
        client.sendall(raw_get(world))
        with pytest.raises(ConnectionResetError):
            client.recv(1)


@pytest.mark.parametrize(("name", "is_done"), [("hang-after-commit", True), ("hang-uncommitted", False)])
def test_a_hang_ends_in_a_reset(world, name, is_done):
    fault(world, name, ISSUE, seconds=0.3)
    began = time.monotonic()
    assert "reset by peer" in failure(world)
    assert 0.3 <= time.monotonic() - began < 30
    assert external_ids(world) == ([EXTERNAL_ID] if is_done else [])


def test_a_hang_ends_when_the_client_disconnects():
    server, client = socket.socketpair()
    with server, client:
        connection = Connection({SOCKET: server}, Gate())
        assert connection.wait(0.1)
        leaving = threading.Timer(0.1, client.close)
        leaving.start()
        assert not connection.wait(60)
        leaving.join()


def test_a_hang_ends_when_the_server_stops(tmp_path):
    sandbox = Sandbox(tmp_path / "sandbox.sqlite3")
    sandbox.faults.set([{"fault": "hang-uncommitted"}])
    began = time.monotonic()
    with serve(sandbox) as url:
        client = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=5)
        client.sendall(b"GET /api/v1/users HTTP/1.1\r\nHost: x\r\n\r\n")
        while not sandbox.journal():
            time.sleep(0.01)
    assert time.monotonic() - began < 30  # of 300
    with client, pytest.raises(ConnectionResetError):
        client.recv(1)
    sandbox.close()


def test_an_answer_byte_by_byte(world):
    fault(world, "slow-bytes", seconds=0.001)
    with connect(world) as client:
        client.sendall(b"GET /api/v1/users HTTP/1.1\r\nHost: x\r\n\r\n")
        received, pieces = b"", 0
        while piece := client.recv(65_536):
            received, pieces = received + piece, pieces + 1
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 401 Unauthorized\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert pieces > 100
    assert body.startswith(b'{"errors": [')


def test_a_slow_answer_ends_when_the_client_disconnects(world):
    fault(world, "slow-bytes")  # a byte per second
    with pytest.raises(requests.Timeout):
        world.session.get(f"{world.url}/api/v1/users", timeout=0.2)


def test_a_huge_body_is_never_in_memory(world):
    world.get("users", key="no matter")
    fault(world, "huge-body", "GET /api/v1/users")
    tracemalloc.start()
    try:
        with connect(world) as client:
            client.sendall(raw_get(world))
            start = client.recv(1_000)
            head, _, _ = start.partition(b"\r\n\r\n")
            announced = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
            received, end = len(start), b""
            while received < len(head) + 4 + announced:
                piece = client.recv(1_000_000)
                received, end = received + len(piece), (end + piece)[-100:]
            _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert announced > 100_000_000
    assert end.endswith(b'"total": 6}}}')
    assert peak < 10_000_000


def test_a_huge_body_ends_with_the_honest_answer(world):
    fault(world, "huge-body", size=1_000_000)
    answer = world.issue(externalId=EXTERNAL_ID)
    assert answer.status_code == 201
    assert len(answer.content) > 1_000_000
    assert answer.json()["data"]["attributes"]["externalId"] == EXTERNAL_ID
    key = answer.json()["data"]["id"]
    assert world.call("DELETE", f"api-keys/{key}", token=world.token()).status_code == 200


def test_connections_are_refused(world):
    assert world.issue().status_code == 201  # leaves an idle connection, which must not serve the next
    fault(world, "refuse-connections")
    assert "Connection refused" in failure(world)
    with pytest.raises(ConnectionRefusedError):
        connect(world)
    assert world.sandbox.faults.fired() == {"refuse-connections": 1}
    world.sandbox.faults.clear()
    assert world.issue(externalId=EXTERNAL_ID).status_code == 201
    assert [entry["fault"] for entry in world.sandbox.journal()] == [
        None,
        None,
    ]  # the refused request never arrived


def test_the_port_is_closed_for_a_while(world):
    fault(world, "go-down", ISSUE, seconds=0.3, count=1)
    assert "reset by peer" in failure(world)
    assert "Connection refused" in failure(world)
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            connect(world).close()
        except ConnectionRefusedError:
            time.sleep(0.02)
        else:
            break
    assert world.issue(externalId=EXTERNAL_ID).status_code == 201
    assert external_ids(world) == [EXTERNAL_ID]


def test_a_sandbox_that_is_not_served_has_no_port_to_close(tmp_path):
    sandbox = Sandbox(tmp_path / "sandbox.sqlite3")
    with pytest.raises(ValueError, match="which port"):
        sandbox.faults.set([{"fault": "refuse-connections"}])
    sandbox.close()
