"""The control port: set the faults over HTTP and JSON, on a separate loopback port."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager
from datetime import datetime, timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from sandbox.faults.catalogue import CATALOGUE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sandbox.app import Sandbox

HOST = "127.0.0.1"
_MAX_BODY = 1024 * 1024  # bytes
_KEYS = "/keys/"
_CHANGES = {
    "name": "name",
    "scopes": "scopes",
    "ownerEmail": "owner_email",
    "expiresAt": "expires_at",
    "removed": "removed",
    "gone": "gone",
}


@contextmanager
def serve_control(sandbox: Sandbox, listener: socket.socket) -> Iterator[str]:
    """Serve in a thread while the context is open. Yield the base URL."""
    with _Server(sandbox, listener) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01], daemon=True)
        thread.start()
        try:
            yield f"http://{HOST}:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, sandbox: Sandbox, listener: socket.socket) -> None:
        super().__init__(listener.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.sandbox = sandbox


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65_537)
        if self.raw_requestline and self.parse_request():
            self._answer()

    def log_message(self, *_args: object) -> None:
        """Log nothing."""

    def _answer(self) -> None:
        status = HTTPStatus.OK
        try:
            result = _result(self.server.sandbox, self.command, self.path, self._body())
        except LookupError as error:
            result, status = {"error": error.args[0]}, HTTPStatus.NOT_FOUND
        except (ValueError, TypeError) as error:
            result, status = {"error": str(error)}, HTTPStatus.BAD_REQUEST
        raw = json.dumps(result).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def _body(self) -> Any:
        """Return the parsed body, or None for other methods than PUT and POST. Raises ValueError.

        The checks keep web pages of other sites out: they cannot send this media type or this Host.
        """
        port = self.server.server_address[1]
        if self.headers.get("Host") not in {f"{HOST}:{port}", f"localhost:{port}"}:
            raise ValueError(f"The control port answers to the Host {HOST}:{port} only.")
        if self.command not in {"PUT", "POST"}:
            return None
        if self.headers.get_content_type() != "application/json":
            raise ValueError("Send application/json.")
        return json.loads(self.rfile.read(min(int(self.headers.get("Content-Length", 0)), _MAX_BODY)))


def _result(sandbox: Sandbox, method: str, path: str, body: Any) -> Any:
    """Carry out one call.

    Raises LookupError for an unknown call or key, ValueError or TypeError for a wrong body.
    """
    if method == "POST" and path.startswith(_KEYS):
        return _change_key(sandbox, path.removeprefix(_KEYS), body)
    routes: dict[tuple[str, str], Callable[[], Any]] = {
        ("GET", "/faults"): lambda: {"rules": sandbox.faults.rules(), "fired": sandbox.faults.fired()},
        ("PUT", "/faults"): lambda: {"rules": sandbox.faults.set(_rules(body))},
        ("DELETE", "/faults"): lambda: {"rules": sandbox.faults.set([])},
        ("GET", "/faults/catalogue"): _catalogue,
        ("GET", "/journal"): sandbox.journal,
        ("GET", "/keys"): sandbox.api_keys,
        ("POST", "/clock"): lambda: _set_clock(sandbox, body),
    }
    if (method, path) not in routes:
        known = ", ".join(f"{verb} {address}" for verb, address in routes)
        raise LookupError(f"There is no {method} {path}; there are {known}, POST {_KEYS}<id>.")
    return routes[method, path]()


def _catalogue() -> list[dict[str, Any]]:
    return [
        {
            "fault": fault.name,
            "about": fault.about,
            "options": dict(fault.options),
            "on": [route.text for route in fault.on],
        }
        for fault in CATALOGUE.values()
    ]


def _rules(body: Any) -> list[dict[str, Any]]:
    if not isinstance(body, list) or not all(isinstance(rule, dict) for rule in body):
        raise TypeError("Send a list of rules.")
    return body


def _change_key(sandbox: Sandbox, key_id: str, body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise TypeError("Send an object with the fields to change.")
    unknown = sorted(set(body) - set(_CHANGES))
    if unknown:
        raise ValueError(f"A key has no {', '.join(unknown)}; it has {', '.join(_CHANGES)}.")
    change = {_CHANGES[name]: value for name, value in body.items()}
    if "expires_at" in change:
        change["expires_at"] = datetime.fromisoformat(change["expires_at"])
    sandbox.change_key(key_id, **change)
    return {"keys": [key for key in sandbox.api_keys() if key["id"] == key_id]}


def _set_clock(sandbox: Sandbox, body: Any) -> dict[str, Any]:
    """Set the clock's offset in seconds, and carry out the late writes that became due."""
    offset = body.get("offset") if isinstance(body, dict) else None
    if not isinstance(offset, int | float):
        raise TypeError('Send {"offset": <seconds>}.')
    sandbox.clock.offset = timedelta(seconds=offset)
    settled = sandbox.settle()
    return {"offset": offset, "now": sandbox.clock().isoformat(), "settled": settled}
