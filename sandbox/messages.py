"""One request as it came in, one response as it goes out."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from io import BytesIO
from typing import TYPE_CHECKING, Any

from sandbox.problems import ApiError, invalid, too_large

if TYPE_CHECKING:
    import sqlite3
    from wsgiref.types import StartResponse, WSGIEnvironment

MAX_BODY = 1024 * 1024  # bytes

Json = dict[str, Any]
Rearrange = Callable[[list[Json], int], list[Json]]
"""Gets a list's resources and the size of a page; what it returns is cut into pages."""


@dataclass(frozen=True)
class Presented:
    """The credential a request came with, live or not. ``kind`` is ``api_key`` or ``bearer``."""

    kind: str
    person_id: str | None = None
    key_id: str | None = None


@dataclass(frozen=True)
class Caller:
    """The person whom an accepted credential acts as.

    ``scopes`` is None for a bearer token, which acts as its person without scopes (published).
    """

    person_id: str
    role: str
    scopes: frozenset[str] | None


@dataclass
class Request:
    method: str
    path: str
    query: str
    environ: WSGIEnvironment = field(repr=False)
    # Learned on the way, for the journal:
    presented: Presented | None = None
    external_id: str | None = None
    # Set by a fault, for lists: the stamp of the moment to show, and what happens to the resources.
    as_of: str | None = None
    rearrange: Rearrange | None = None

    @classmethod
    def of(cls, environ: WSGIEnvironment) -> Request:
        # WSGI hands the path's bytes over as Latin-1.
        path = str(environ.get("PATH_INFO", "")).encode("latin-1").decode("utf-8", "replace")
        return cls(environ["REQUEST_METHOD"], path, environ.get("QUERY_STRING", ""), environ)

    def header(self, name: str) -> str:
        """The header's value or "". Names match in any letter case."""
        return str(self.environ.get("HTTP_" + name.upper().replace("-", "_"), "")).strip()

    def json(self) -> object:
        """The body, parsed. Raises ApiError 400 or 413."""
        content_type = str(self.environ.get("CONTENT_TYPE", "")).partition(";")[0].strip().lower()
        if content_type != "application/json":
            raise invalid(("header", "Content-Type"), "Send application/json.")
        raw = self._body()
        try:
            parsed = json.loads(raw)
            # A lone surrogate is legal JSON, but no text that could be stored.
            json.dumps(parsed, ensure_ascii=False, allow_nan=False).encode()
        except (ValueError, RecursionError) as error:
            raise invalid(("body",), "The body is not valid JSON.", "json_invalid") from error
        return parsed

    def take_body(self) -> bytes:
        """Read the body off the connection, up to the limit and one byte; it can be read again afterwards."""
        length = str(self.environ.get("CONTENT_LENGTH", ""))
        declared = int(length) if length.isdecimal() else 0
        raw: bytes = self.environ["wsgi.input"].read(min(declared, MAX_BODY + 1))
        self.give_body(raw)
        return raw

    def give_body(self, raw: bytes) -> None:
        """Put ``raw`` in the place of the body. A declared length beyond the limit stays, and is refused."""
        self.environ["wsgi.input"] = BytesIO(raw)
        if len(raw) <= MAX_BODY and self.environ.get("CONTENT_LENGTH"):
            self.environ["CONTENT_LENGTH"] = str(len(raw))

    def _body(self) -> bytes:
        length = str(self.environ.get("CONTENT_LENGTH", ""))
        if length.isdecimal():
            declared = int(length)
        else:
            declared = MAX_BODY + 1 if self.environ.get("wsgi.input_terminated") else 0
            length = ""
        if length and declared > MAX_BODY:
            raise too_large(MAX_BODY)
        raw: bytes = self.environ["wsgi.input"].read(declared)
        if len(raw) > MAX_BODY:
            raise too_large(MAX_BODY)
        return raw


@dataclass(frozen=True)
class Response:
    status: HTTPStatus
    payload: Json | None = None
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of_error(cls, error: ApiError) -> Response:
        return cls(error.status, error.payload(), error.headers)

    @property
    def is_success(self) -> bool:
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    def send(self, start_response: StartResponse, *, with_body: bool) -> list[bytes]:
        headers = [("Cache-Control", "no-store"), *self.headers]
        body = b""
        if self.payload is not None:
            body = json.dumps(self.payload).encode()
            headers += [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response(f"{self.status.value} {self.status.phrase}", headers)
        return [body] if with_body and body else []


@dataclass(frozen=True)
class Call:
    """An authorised request on its way to its endpoint. ``now`` is a stamp, ``target`` the id in the path."""

    db: sqlite3.Connection
    now: str
    request: Request
    caller: Caller
    target: str


Handler = Callable[[Call], Response]
"""An endpoint. Raises ApiError to refuse the call."""


def one(call: Call, resource: Json, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """The envelope of a single resource."""
    collection = call.request.path if status == HTTPStatus.CREATED else call.request.path.rpartition("/")[0]
    return Response(status, {"data": resource, "links": {"self": f"{collection}/{resource['id']}"}})
