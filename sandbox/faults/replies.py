"""The ways in which a reply is sent: in full, truncated, byte by byte, or not at all."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from wsgiref.types import StartResponse

    from sandbox.faults.connection import Connection
    from sandbox.messages import Json, Response

_JSON = "application/json"
_CHUNK = b" " * 65_536


class Reply(Protocol):
    """``status`` is the status that is sent, or 0 if nothing is sent."""

    @property
    def status(self) -> int: ...

    def send(self, connection: Connection, start_response: StartResponse, /) -> Iterable[bytes]: ...


@dataclass(frozen=True)
class FullReply:
    """The whole reply. ``padding`` is the number of spaces before the body, which JSON permits."""

    status: int
    body: bytes = b""
    content_type: str = _JSON
    headers: tuple[tuple[str, str], ...] = ()
    padding: int = 0

    @classmethod
    def of(cls, response: Response) -> FullReply:
        body = b"" if response.payload is None else json.dumps(response.payload).encode()
        return cls(response.status, body, headers=response.headers)

    @classmethod
    def of_json(cls, status: int, payload: Json, headers: tuple[tuple[str, str], ...] = ()) -> FullReply:
        return cls(status, json.dumps(payload).encode(), headers=headers)

    @property
    def status_line(self) -> str:
        return f"{int(self.status)} {HTTPStatus(self.status).phrase}"

    def header_list(self) -> list[tuple[str, str]]:
        """Return the headers. 204 has no body and no headers about one."""
        fields = [("Cache-Control", "no-store"), *self.headers]
        if self.status == HTTPStatus.NO_CONTENT:
            return fields
        length = self.padding + len(self.body)
        return [*fields, ("Content-Type", self.content_type), ("Content-Length", str(length))]

    def raw(self) -> bytes:
        """Return the reply as HTTP/1.1, without padding, for a connection that closes afterwards."""
        fields = [*self.header_list(), ("Connection", "close")]
        head = "".join(f"{name}: {value}\r\n" for name, value in fields)
        return f"HTTP/1.1 {self.status_line}\r\n{head}\r\n".encode() + self.body

    def send(self, _connection: Connection, start_response: StartResponse, /) -> Iterable[bytes]:
        start_response(self.status_line, self.header_list())
        return [self.body] if not self.padding else self._padded()

    def _padded(self) -> Iterator[bytes]:
        whole, rest = divmod(self.padding, len(_CHUNK))
        for _ in range(whole):
            yield _CHUNK
        yield _CHUNK[:rest]
        yield self.body


@dataclass(frozen=True)
class TruncatedReply:
    """Send half of the announced body, then close the connection."""

    full: FullReply

    @property
    def status(self) -> int:
        return self.full.status

    def send(self, connection: Connection, _start_response: StartResponse, /) -> Iterable[bytes]:
        raw = self.full.raw()
        connection.send(raw[: len(raw) - (len(self.full.body) + 1) // 2])
        connection.close()


@dataclass(frozen=True)
class SlowReply:
    """Send headers and body byte by byte, with a pause (seconds) before each byte."""

    full: FullReply
    pause: float

    @property
    def status(self) -> int:
        return self.full.status

    def send(self, connection: Connection, _start_response: StartResponse, /) -> Iterable[bytes]:
        for byte in self.full.raw():
            if not connection.wait(self.pause):
                connection.reset()
            connection.send(bytes([byte]))
        connection.close()


@dataclass(frozen=True)
class NoReply:
    """Send nothing for some seconds, then reset the connection."""

    seconds: float = 0
    status: int = 0

    def send(self, connection: Connection, _start_response: StartResponse, /) -> Iterable[bytes]:
        connection.wait(self.seconds)
        connection.reset()
