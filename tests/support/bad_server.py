"""A scripted HTTP server on a raw socket, which can violate the protocol."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl

Step = bytes | Callable[["Conversation"], None]
"""The reaction to one request: bytes to send or a function to call. The connection is closed afterwards."""


@dataclass
class Server:
    port: int
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def header(self, name: str, request: int = -1) -> str | None:
        head = self.requests[request].partition(b"\r\n\r\n")[0].decode("latin-1")
        fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
        return {key.lower(): value for key, value in fields.items()}.get(name.lower())

    def body(self, request: int = -1) -> Any:
        return json.loads(self.requests[request].partition(b"\r\n\r\n")[2])

    def lines(self) -> list[str]:
        return [request.partition(b"\r\n")[0].decode() for request in self.requests]


@dataclass
class Conversation:
    sock: socket.socket
    server: Server

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def drip(self, data: bytes, pause: float) -> None:
        for byte in data:
            if self.server.over.wait(pause):
                return
            self.sock.sendall(bytes([byte]))

    def hang(self) -> None:
        self.server.over.wait(30)


@dataclass(frozen=True)
class KeepAlive:
    """Send ``data`` after ``after`` seconds, and leave the connection open for the next request."""

    data: bytes
    after: float = 0


@contextmanager
def serving(*script: Step | KeepAlive, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Answer each request with the next step of the script, and repeat the last step if there are more requests."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(listener.getsockname()[1])
        threads: list[threading.Thread] = []
        accepting = threading.Thread(
            target=_accept, args=(listener, server, script, tls, threads), daemon=True
        )
        accepting.start()
        try:
            yield server
        finally:
            server.over.set()
            listener.shutdown(socket.SHUT_RDWR)
            for thread in (accepting, *threads):
                thread.join(5)


def _accept(listener, server, script, tls, threads):
    while True:
        try:
            sock, _ = listener.accept()
        except OSError:
            return
        server.connections += 1
        thread = threading.Thread(target=_talk, args=(sock, server, script, tls), daemon=True)
        threads.append(thread)
        thread.start()


def _talk(sock, server, script, tls):
    with suppress(OSError), sock:
        sock.settimeout(0.05)
        if tls is not None:
            sock.settimeout(5)
            sock = tls.wrap_socket(sock, server_side=True)
        with sock:
            while (request := _request(sock, server)) is not None:
                step = script[min(len(server.requests), len(script) - 1)]
                server.requests.append(request)
                sock.settimeout(5)
                if isinstance(step, KeepAlive):
                    server.over.wait(step.after)
                    sock.sendall(step.data)
                    continue
                if isinstance(step, bytes):
                    sock.sendall(step)
                else:
                    step(Conversation(sock, server))
                return


def _request(sock, server) -> bytes | None:
    data = b""
    sock.settimeout(0.05)
    while not server.over.is_set():
        head, found, body = data.partition(b"\r\n\r\n")
        if found:
            length = next(
                (
                    int(line[15:])
                    for line in head.split(b"\r\n")
                    if line.lower().startswith(b"content-length:")
                ),
                0,
            )
            if len(body) >= length:
                return data
        try:
            chunk = sock.recv(65_536)
        except TimeoutError:
            continue
        if not chunk:
            return None
        data += chunk
    return None


def http(status: int, body: bytes | str | dict | list = b"", **headers: str) -> bytes:
    """Return the bytes of a response. Keywords such as ``Retry_After="3"`` become headers."""
    if isinstance(body, dict | list):
        body = json.dumps(body)
    if isinstance(body, str):
        body = body.encode()
    fields = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} Something\r\n{head}\r\n".encode() + body


def refusal(status: int, detail: str, code: str = "some_code", **headers: str) -> bytes:
    return http(
        status,
        {"errors": [{"code": code, "title": "T", "detail": detail, "status": str(status), "meta": None}]},
        **headers,
    )


def listing(resources: list[dict], *, total: int | None = None, following: str | None = None) -> bytes:
    counts = {"maxSize": 100, "total": len(resources) if total is None else total}
    links = {"self": "/x", "next": following, "previous": None}
    return http(200, {"data": resources, "links": links, "meta": {"page": counts}})


@cache
def _bound() -> socket.socket:
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    return taken


def closed_port() -> int:
    """Return a port that refuses connections. It stays bound, so that no server can open it."""
    return _bound().getsockname()[1]


# Valid resources, for tests to spoil.

KEY_ID = "1b4e28ba-2fa1-41d2-883f-0016d3cca427"
OWNER_ID = "6fa459ea-ee8a-4ca4-894e-db77e160355e"
EXTERNAL_ID = "886313e1-3b8a-5372-9b90-0c9aee199e5d"
PLAIN_TEXT = "sbx_CANARY_plain_text_of_a_key"


def user(email: str = "ada@contenzilla.example", user_id: str = OWNER_ID, **changes) -> dict:
    attributes = {"email": email, "firstName": "Ada", "lastName": "L", "status": "live", "isGuest": False}
    attributes |= {"role": "workspace_admin", "lastActivity": None}
    return {"id": user_id, "type": "user", "attributes": attributes | changes}


def vault(vault_id: str, name: str = "Main") -> dict:
    return {"id": vault_id, "type": "vault", "attributes": {"name": name}}


def listed_key(key_id: str = KEY_ID, **changes) -> dict:
    attributes = {
        "name": "K",
        "scopes": ["read:users"],
        "status": "active",
        "ownerId": OWNER_ID,
        "lastUsedAt": None,
    }
    attributes |= {
        "ownerEmail": "ada@contenzilla.example",
        "createdAt": "2026-01-01T00:00:00Z",
        "removedAt": None,
    }
    attributes |= {"expiresAt": "2027-01-01T00:00:00Z", "externalId": EXTERNAL_ID}
    return {"id": key_id, "type": "api_key", "attributes": attributes | changes}


def made_key(**changes) -> dict:
    return listed_key(**{"key": PLAIN_TEXT} | changes)


def data(resource: dict, status: int = 200, **headers: str) -> bytes:
    return http(status, {"data": resource}, **headers)
