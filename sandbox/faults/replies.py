"""The ways in which an answer reaches the client, or does not."""

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
    """``status`` is what is sent, 0 for nothing."""

    @property
    def status(self) -> int: ...

    def send(self, connection: Connection, start_response: StartResponse, /) -> Iterable[bytes]: ...


@dataclass(frozen=True)
class Answer:
    """A whole answer. ``padding`` is so many spaces before the body, which JSON permits."""

    status: int
    body: bytes = b""
    content_type: str = _JSON
    headers: tuple[tuple[str, str], ...] = ()
    padding: int = 0

    @classmethod
    def of(cls, response: Response) -> Answer:
        body = b"" if response.payload is None else json.dumps(response.payload).encode()
        return cls(response.status, body, headers=response.headers)

    @classmethod
    def of_json(cls, status: int, payload: Json, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
        return cls(status, json.dumps(payload).encode(), headers=headers)

    @property
    def status_line(self) -> str:
        return f"{int(self.status)} {HTTPStatus(self.status).phrase}"

    def fields(self) -> list[tuple[str, str]]:
        """The headers. 204 has neither a body nor a word about one."""
        fields = [("Cache-Control", "no-store"), *self.headers]
        if self.status == HTTPStatus.NO_CONTENT:
            return fields
        length = self.padding + len(self.body)
        return [*fields, ("Content-Type", self.content_type), ("Content-Length", str(length))]

    def raw(self) -> bytes:
        """The answer as HTTP/1.1, without padding, on a connection that ends with it."""
        fields = [*self.fields(), ("Connection", "close")]
        head = "".join(f"{name}: {value}\r\n" for name, value in fields)
        return f"HTTP/1.1 {self.status_line}\r\n{head}\r\n".encode() + self.body

    def send(self, _connection: Connection, start_response: StartResponse, /) -> Iterable[bytes]:
        start_response(self.status_line, self.fields())
        return [self.body] if not self.padding else self._padded()

    def _padded(self) -> Iterator[bytes]:
        whole, rest = divmod(self.padding, len(_CHUNK))
        for _ in range(whole):
            yield _CHUNK
        yield _CHUNK[:rest]
        yield self.body


@dataclass(frozen=True)
class Cut:
    """Half of the body that was announced, then the connection's end."""

    answer: Answer

    @property
    def status(self) -> int:
        return self.answer.status

    def send(self, connection: Connection, _start_response: StartResponse, /) -> Iterable[bytes]:
        raw = self.answer.raw()
        connection.send(raw[: len(raw) - (len(self.answer.body) + 1) // 2])
        connection.close()


@dataclass(frozen=True)
class Drip:
    """One byte, a pause of some seconds, the next byte: headers and body."""

    answer: Answer
    pause: float

    @property
    def status(self) -> int:
        return self.answer.status

    def send(self, connection: Connection, _start_response: StartResponse, /) -> Iterable[bytes]:
        for byte in self.answer.raw():
            if not connection.wait(self.pause):
                connection.reset()
            connection.send(bytes([byte]))
        connection.close()


@dataclass(frozen=True)
class Silence:
    """Not a byte for some seconds, then a reset."""

    seconds: float = 0
    status: int = 0

    def send(self, connection: Connection, _start_response: StartResponse, /) -> Iterable[bytes]:
        connection.wait(self.seconds)
        connection.reset()
