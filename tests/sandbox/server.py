"""Serve a WSGI app from a thread, over a real socket with keep-alive."""

from __future__ import annotations

import socket
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from wsgiref.types import WSGIApplication


@contextmanager
def serve(app: WSGIApplication) -> Iterator[str]:
    """Yield the base URL without a trailing slash. Every connection is closed afterwards.

    Tell a sandbox's gate its socket and when the server stops, because its faults need both.
    """
    gate = getattr(app, "gate", None)
    with _Server(app) as server:
        if gate:
            gate.attach(server.socket)
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            if gate:
                gate.stop()
            server.shutdown()
            thread.join()
    if gate:
        gate.detach()


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # closing then waits for every connection's thread
    request_queue_size = 128

    def __init__(self, app: WSGIApplication) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.app = app
        self._open: set[socket.socket] = set()

    def get_request(self) -> Any:
        try:
            return super().get_request()
        except OSError:
            time.sleep(0.01)  # a fault closed the port; without a pause, the selector would spin
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        for connection in list(self._open):
            try:
                # A thread that waits for the client's next request then reads the end of the stream.
                connection.shutdown(socket.SHUT_RD)
            except OSError:
                continue  # its thread has closed it
        super().server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a client may disconnect at any time
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """A minimal WSGI gateway for an app that sends Content-Length."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline:
            self.close_connection = True
            return
        if self.parse_request():
            self._answer()

    def _answer(self) -> None:
        path, _, query = self.path.partition("?")
        # Read the whole body, so that the next request on this connection starts at the right byte.
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        environ = {
            "REQUEST_METHOD": self.command,
            "SCRIPT_NAME": "",
            "PATH_INFO": _unquoted(path),
            "QUERY_STRING": query,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": str(self.server.server_address[1]),
            "SERVER_PROTOCOL": self.request_version,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": self.headers.get("Content-Length", ""),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": BytesIO(body),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "gunicorn.socket": self.connection,
            **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in self.headers.items()},
        }
        started: list[Any] = []
        chunks = iter(self.server.app(environ, lambda *args: started.extend(args)))
        status, headers = started[0], started[1]
        code, _, phrase = status.partition(" ")
        self.send_response_only(int(code), phrase)
        for name, value in headers:
            self.send_header(name, value)
        self._headers_buffer.append(b"\r\n" + next(chunks, b""))  # type: ignore[attr-defined]  # private
        self.flush_headers()  # headers and the first chunk in one write
        for chunk in chunks:
            self.wfile.write(chunk)


def _unquoted(path: str) -> str:
    return unquote_to_bytes(path).decode("latin-1")
