"""The port that the sandbox is served on: closed for a while, and told when the server stops."""

from __future__ import annotations

import errno
import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from wsgiref.types import WSGIEnvironment

SOCKET = "gunicorn.socket"
"""Where a server leaves the connection's socket in the WSGI environment: gunicorn's own name for it."""

_BACKLOG = 128


class Gate:
    """Knows the listening socket and the connections; both belong to the server.

    The port is closed for real, so that a client is refused before it has sent a byte. That is done with
    shutdown(2) on the listening socket, which reaches every process that holds it. Linux only.
    """

    def __init__(self) -> None:
        self.is_shut = False
        self.is_stopping = False
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self._address: tuple[str, int] = ("", 0)
        self._idle: WeakSet[socket.socket] = WeakSet()

    def serves(self, listener: socket.socket) -> None:
        """A server begins to accept connections on ``listener``, which is duplicated."""
        with self._lock:
            self._let_go()
            self._listener, self._address = listener.dup(), listener.getsockname()
            self.is_shut = self.is_stopping = False

    def stop(self) -> None:
        """The server stops: every hang ends. Safe in a signal handler."""
        self.is_stopping = True

    def close(self) -> None:
        """The server has stopped."""
        self.stop()
        with self._lock:
            self._let_go()

    @contextmanager
    def connection(self, environ: WSGIEnvironment) -> Iterator[None]:
        """A request is being answered on this connection; before and after, it is idle."""
        sock = environ.get(SOCKET)
        if sock is None:
            yield
            return
        with self._lock:
            self._idle.discard(sock)
        try:
            yield
        finally:
            with self._lock:
                self._idle.add(sock)

    def shut(self, seconds: float | None = None) -> None:
        """Refuse connections and end the idle ones, until ``open`` or for some seconds.

        Raises ValueError where no server has said what it listens on.
        """
        with self._lock:
            if self._listener is None:
                raise ValueError("No server has told the sandbox which port it listens on.")
            if not self.is_shut:
                self.is_shut = True
                self._listener.shutdown(socket.SHUT_RDWR)
            for sock in list(self._idle):
                with suppress(OSError):  # it was closed already
                    sock.shutdown(socket.SHUT_RDWR)
        if seconds is not None:
            timer = threading.Timer(seconds, self.open)
            timer.daemon = True
            timer.start()

    def open(self) -> None:
        """Accept connections again, on the same port."""
        with self._lock:
            if not self.is_shut or self._listener is None or self.is_stopping:
                return
            try:
                self._listener.bind(self._address)  # a port that the system chose was given back to it
            except OSError as error:
                if error.errno != errno.EINVAL:  # a port that was asked for is still bound
                    raise
            self._listener.listen(_BACKLOG)
            self.is_shut = False

    def _let_go(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
