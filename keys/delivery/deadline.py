"""Bound a whole HTTP exchange by one deadline.

A socket's timeout applies to each read or write, so a peer that takes or sends one byte per second never
exceeds it. ``DeadlineAdapter`` bounds connecting, sending and receiving together instead.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from collections.abc import Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util import Timeout

if TYPE_CHECKING:
    import requests
    from _typeshed import WriteableBuffer

_deadline: ContextVar[float] = ContextVar("_deadline")
"""The deadline of the request that this thread is sending, as a value of ``time.monotonic()``."""


def timeouts(*, connect: float, response: float, total: float) -> Any:
    """Return the ``timeout`` for a request through a ``DeadlineAdapter``: seconds for each part and in all.

    Typed as Any because requests accepts urllib3's class but its type hints do not.
    """
    return Timeout(connect=connect, read=response, total=total)


def _limit_next_operation(sock: socket.socket, deadline: float) -> None:
    """Let the next read or write last until ``deadline``, or raise ``TimeoutError`` if it has passed."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    sock.settimeout(left)


class _DeadlineReader(io.RawIOBase):
    """Read from a socket until a deadline that applies to all reads together."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        self._raw = raw
        self._sock = sock
        self._deadline = time.monotonic() + (sock.gettimeout() or 0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        _limit_next_operation(self._sock, self._deadline)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """Apply the socket's timeout to the whole response: status line, headers, chunk sizes and body."""

    def __init__(self, sock: socket.socket, debuglevel: int = 0, method: str | None = None) -> None:
        super().__init__(sock, debuglevel, method)
        self.fp = io.BufferedReader(_DeadlineReader(self.fp.detach(), sock))


class PlainConnection(HTTPConnection):
    response_class = _Response

    def send(self, data: Any) -> None:
        """Send ``data``, which is bytes, before the deadline of the request."""
        if self.sock is None:
            self.connect()
        rest = memoryview(data)
        while rest:
            _limit_next_operation(self.sock, _deadline.get())
            rest = rest[self.sock.send(rest) :]


class TLSConnection(PlainConnection, HTTPSConnection):
    pass


class PlainPool(HTTPConnectionPool):
    ConnectionCls = PlainConnection


class TLSPool(HTTPSConnectionPool):
    ConnectionCls = TLSConnection


class DeadlineAdapter(HTTPAdapter):
    """End each exchange in time. Requests need a ``timeout`` from ``timeouts``. Nothing is retried."""

    pools: ClassVar[Mapping[str, type[HTTPConnectionPool]]] = {"http": PlainPool, "https": TLSPool}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_retries=0, **kwargs)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = dict(self.pools)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        token = _deadline.set(time.monotonic() + kwargs["timeout"].total)
        try:
            return super().send(request, *args, **kwargs)
        finally:
            _deadline.reset(token)
