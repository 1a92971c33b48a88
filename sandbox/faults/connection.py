"""The TCP connection of one request: send raw bytes, wait, close or reset."""

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

_POLL_INTERVAL = 0.05  # seconds between checks of whether a wait should end early
_LINGER_ZERO = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 seconds


class Connection:
    """Control the socket of the request in ``environ``.

    After ``close`` or ``reset``, the server's file descriptor refers to a dead socket. So the server can
    close its descriptor as usual, and gunicorn counts its connections correctly. Both raise
    ConnectionResetError, as if the client had gone away.
    Raises RuntimeError if the server does not provide the socket in ``environ``.
    """

    def __init__(self, environ: WSGIEnvironment, gate: Gate) -> None:
        if SOCKET not in environ:
            raise RuntimeError(f"This server does not provide its connections as {SOCKET}.")
        self._sock: socket.socket = environ[SOCKET]
        self._gate = gate

    def send(self, data: bytes) -> None:
        self._sock.sendall(data)

    def wait(self, seconds: float) -> bool:
        """Return True after that time, or False as soon as the client disconnects or the server stops."""
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0:
            if self._gate.is_stopping or self._client_has_left():
                return False
            time.sleep(min(_POLL_INTERVAL, left))
        return True

    def reset(self) -> Never:
        """Close the connection with a TCP reset."""
        with suppress(OSError):  # the client has closed it
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        self._detach()

    def close(self) -> Never:
        """Close the connection normally, after the bytes that were sent."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)
        self._detach()

    def _client_has_left(self) -> bool:
        readable, _, _ = select.select([self._sock], [], [], 0)
        if not readable:
            return False
        try:
            return not self._sock.recv(1, socket.MSG_PEEK)
        except OSError:
            return True

    def _detach(self) -> Never:
        dead, other_end = socket.socketpair()
        with dead, other_end:
            os.dup2(dead.fileno(), self._sock.fileno(), inheritable=False)
        raise ConnectionResetError(errno.ECONNRESET, "The sandbox was told to end this connection.")
