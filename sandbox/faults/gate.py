"""Close and reopen the port that the sandbox listens on, and end hanging responses on a stop."""

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
"""The key of the connection's socket in the WSGI environment, as gunicorn names it."""

_BACKLOG = 128


class Gate:
    """Control the server's listening socket and its idle connections.

    The port is really closed: a client is refused before it has sent a byte. This is done with shutdown(2)
    on the listening socket, which affects every process that holds the socket. Linux only.
    """

    def __init__(self) -> None:
        self.is_shut = False
        self.is_stopping = False
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self._address: tuple[str, int] = ("", 0)
        self._idle: WeakSet[socket.socket] = WeakSet()

    def attach(self, listener: socket.socket) -> None:
        """Note that a server accepts connections on ``listener``. The socket is duplicated."""
        with self._lock:
            self._release()
            self._listener, self._address = listener.dup(), listener.getsockname()
            self.is_shut = self.is_stopping = False

    def stop(self) -> None:
        """End every hanging response, because the server stops. Safe in a signal handler."""
        self.is_stopping = True

    def detach(self) -> None:
        """Release the socket after the server has stopped."""
        self.stop()
        with self._lock:
            self._release()

    @contextmanager
    def connection(self, environ: WSGIEnvironment) -> Iterator[None]:
        """Count the connection as busy while the context is open, and as idle afterwards."""
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
        """Refuse new connections and end idle ones, until ``open`` is called or for some seconds.

        Raises ValueError if no listener is attached.
        """
        with self._lock:
            if self._listener is None:
                raise ValueError("No server has told the sandbox which port it listens on.")
            if not self.is_shut:
                self.is_shut = True
                self._listener.shutdown(socket.SHUT_RDWR)
            for sock in list(self._idle):
                with suppress(OSError):  # already closed
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
                # Needed if the system chose the port, because shutdown released it.
                self._listener.bind(self._address)
            except OSError as error:
                if error.errno != errno.EINVAL:  # the port was requested by number and is still bound
                    raise
            self._listener.listen(_BACKLOG)
            self.is_shut = False

    def _release(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
