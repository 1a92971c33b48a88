"""The WSGI application: a workspace that answers over HTTP and can be told to misbehave."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from sandbox.faults.connection import Connection
from sandbox.faults.gate import Gate
from sandbox.faults.inject import inject
from sandbox.faults.rules import Faults
from sandbox.messages import Request, Response
from sandbox.moments import Clock, utc_now
from sandbox.problems import method_not_allowed
from sandbox.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from wsgiref.types import StartResponse, WSGIEnvironment

_HEALTH = "/healthz"


class Sandbox(Workspace):
    """A Cerby workspace in the SQLite file at ``path``, served over HTTP. The file is created on first use.

    ``clock`` returns aware times. ``requests_per_minute`` is the number of requests a credential may make
    before it gets 429; None means no limit. The sandbox behaves well until rules are set in ``faults``.
    """

    def __init__(
        self, path: Path | str, *, clock: Clock = utc_now, requests_per_minute: int | None = None
    ) -> None:
        super().__init__(path, clock=clock, requests_per_minute=requests_per_minute)
        self.gate = Gate()
        self.faults = Faults(self, self.gate)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = Request.of(environ)
        with_body = request.method != "HEAD"
        if request.path == _HEALTH:
            return _health(request).send(start_response, with_body=with_body)
        with self.gate.connection(environ):
            if self.gate.is_shut:
                Connection(environ, self.gate).reset()  # it was accepted before the port closed
            self.settle()
            incident = self.faults.draw(request)
            if incident is not None:
                return inject(incident, start_response)
            return self.answer(request).send(start_response, with_body=with_body)

    def restore(self, snapshot: bytes) -> None:
        """Return to the content of ``snapshot`` and forget all faults."""
        self.faults.clear()
        super().restore(snapshot)

    def reset(self) -> None:
        """Empty the workspace: no people, no keys, no journal, no faults."""
        self.faults.clear()
        super().reset()


def _health(request: Request) -> Response:
    if request.method not in {"GET", "HEAD"}:
        return Response.of_error(method_not_allowed(["GET", "HEAD"]))
    return Response(HTTPStatus.OK, {"status": "ok"})
