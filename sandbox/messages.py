"""The request and response objects that endpoints work with, and their conversion from and to WSGI."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from io import BytesIO
from typing import TYPE_CHECKING, Any

from sandbox.moments import in_published_forms
from sandbox.problems import ApiError, invalid, too_large

if TYPE_CHECKING:
    import sqlite3
    from wsgiref.types import StartResponse, WSGIEnvironment

MAX_BODY = 1024 * 1024  # bytes

Json = dict[str, Any]
Rearrange = Callable[[list[Json], int], list[Json]]
"""Takes a list's resources and the page size, and returns the resources to cut into pages."""


@dataclass(frozen=True)
class Credential:
    """The credential in a request, valid or not. ``kind`` is ``api_key``, ``bearer`` or "" for none."""

    kind: str
    person_id: str | None = None
    key_id: str | None = None


@dataclass(frozen=True)
class Caller:
    """The person that an accepted credential acts as.

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
    # Filled in while the request is handled, for the journal:
    credential: Credential | None = None
    external_id: str | None = None
    # Set by a fault on lists: the stamp of the moment to show, and the change to the resources.
    as_of: str | None = None
    rearrange: Rearrange | None = None

    @classmethod
    def of(cls, environ: WSGIEnvironment) -> Request:
        # WSGI decodes the path's bytes as Latin-1.
        path = str(environ.get("PATH_INFO", "")).encode("latin-1").decode("utf-8", "replace")
        return cls(environ["REQUEST_METHOD"], path, environ.get("QUERY_STRING", ""), environ)

    def header(self, name: str) -> str:
        """Return the header's value or "". Names are not case-sensitive."""
        return str(self.environ.get("HTTP_" + name.upper().replace("-", "_"), "")).strip()

    def json(self) -> object:
        """Return the parsed body. Raises ApiError 400 or 413."""
        content_type = str(self.environ.get("CONTENT_TYPE", "")).partition(";")[0].strip().lower()
        if content_type != "application/json":
            raise invalid(("Content-Type",), "Send application/json.")
        raw = self._body()
        try:
            parsed = json.loads(raw)
            # A lone surrogate is legal in JSON, but cannot be stored as text.
            json.dumps(parsed, ensure_ascii=False, allow_nan=False).encode()
        except (ValueError, RecursionError) as error:
            raise invalid(("data",), "The body is not valid JSON.", "value_error.jsondecode") from error
        return parsed

    def take_body(self) -> bytes:
        """Read at most one byte more than the limit from the connection. The body can be read again later."""
        length = str(self.environ.get("CONTENT_LENGTH", ""))
        declared = int(length) if length.isdecimal() else 0
        raw: bytes = self.environ["wsgi.input"].read(min(declared, MAX_BODY + 1))
        self.give_body(raw)
        return raw

    def give_body(self, raw: bytes) -> None:
        """Replace the body by ``raw``. A declared length above the limit stays and is refused."""
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
    """An authorised request, as an endpoint gets it. ``now`` is a stamp, ``target`` the id in the path."""

    db: sqlite3.Connection
    now: str
    request: Request
    caller: Caller
    target: str


Handler = Callable[[Call], Response]
"""An endpoint. Raises ApiError to refuse the call."""


def resource_response(call: Call, resource: Json, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """Return the response with a single resource in its envelope."""
    collection = call.request.path if status == HTTPStatus.CREATED else call.request.path.rpartition("/")[0]
    links = {"self": f"{collection}/{resource['id']}"}
    return Response(status, {"data": in_published_forms(resource), "links": links})
