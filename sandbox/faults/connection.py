"""The connection of one request, below HTTP: silence, raw bytes, an end or a reset."""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Never

from sandbox.faults.gate import SOCKET, Gate

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

_SLICE = 0.05  # seconds between two looks at whether a wait should end early
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 seconds


class Connection:
    """What it ends, it takes from the server: the server's descriptor leads nowhere from then on.

    So the server closes a descriptor that is its own, in its own time, and gunicorn counts its connections
    correctly. The exception that leaves the application is the one of a client that went away.
    Raises RuntimeError under a server that does not hand over the connection's socket.
    """

    def __init__(self, environ: WSGIEnvironment, gate: Gate) -> None:
        if SOCKET not in environ:
            raise RuntimeError(f"This server does not hand over its connections as {SOCKET}.")
        self._sock: socket.socket = environ[SOCKET]
        self._gate = gate

    def send(self, data: bytes) -> None:
        self._sock.sendall(data)

    def wait(self, seconds: float) -> bool:
        """True after that time; False as soon as the client has gone away or the server stops."""
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0:
            if self._gate.is_stopping or self._client_has_left():
                return False
            time.sleep(min(_SLICE, left))
        return True

    def reset(self) -> Never:
        """End the connection with a TCP reset."""
        with suppress(OSError):  # the client was faster
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._take_from_server()

    def close(self) -> Never:
        """End the connection after what was sent."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)
        self._take_from_server()

    def _client_has_left(self) -> bool:
        readable, _, _ = select.select([self._sock], [], [], 0)
        if not readable:
            return False
        try:
            return not self._sock.recv(1, socket.MSG_PEEK)
        except OSError:
            return True

    def _take_from_server(self) -> Never:
        nowhere, other_end = socket.socketpair()
        with nowhere, other_end:
            os.dup2(nowhere.fileno(), self._sock.fileno(), inheritable=False)
        raise ConnectionResetError(errno.ECONNRESET, "The sandbox was told to end this connection.")
