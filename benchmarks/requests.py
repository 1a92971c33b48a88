"""Send a signed-in request through the whole WSGI application, and time it."""

from __future__ import annotations

import io
import re
import sys
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.core.wsgi import get_wsgi_application

from benchmarks.choices import CHOSEN
from benchmarks.databases import using
from keys.models import SessionStore, User
from portal.frames import with_room

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.backends.base.base import BaseDatabaseWrapper

_CLOCK = time.process_time if CHOSEN.processor else time.perf_counter
"""With PostgreSQL, processor time leaves out the work of the server."""
_ROW = re.compile(rb"<tr\b")


@dataclass(frozen=True)
class Answer:
    """A response. ``milliseconds``: until the last byte. ``rows``: the table's rows without its header."""

    milliseconds: float
    size: int
    rows: int


class Browser:
    """A client that is signed in as the workspace's Owner in one database."""

    def __init__(self, database: BaseDatabaseWrapper) -> None:
        self.database = database
        self._application = get_wsgi_application()
        with using(database):
            owner = User.objects.order_by("pk")[0]
            session = SessionStore()
            session[SESSION_KEY] = str(owner.pk)
            session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
            session[HASH_SESSION_KEY] = owner.get_session_auth_hash()
            session.save()
        self._cookies = f"{settings.SESSION_COOKIE_NAME}={session.session_key}; portal-tz=Europe/Berlin"

    @with_room  # so that the depth of the caller doesn't matter
    def get(self, address: str) -> Answer:
        """Raises RuntimeError if the status is not 200."""
        environ = self._environ(address)
        said: list[str] = []

        def start_response(status: str, *_: Any) -> Any:
            said.append(status)

        with using(self.database):
            started = _CLOCK()
            response = self._application(environ, start_response)
            body = b"".join(response)
            response.close()
            took = _CLOCK() - started
        if not said[0].startswith(str(int(HTTPStatus.OK))):
            raise RuntimeError(f"{address}: {said[0]}")
        return Answer(took * 1000, len(body), max(0, len(_ROW.findall(body)) - 1))

    def stream(self, address: str) -> Iterator[bytes]:
        """Yield the chunks of a download."""
        with using(self.database):
            response = self._application(self._environ(address), lambda *_: None)
            try:
                yield from response
            finally:
                response.close()

    def _environ(self, address: str) -> dict[str, Any]:
        path, _, query = address.partition("?")
        return {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": "localhost",
            "HTTP_COOKIE": self._cookies,
            "HTTP_USER_AGENT": "Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0.0.0 Safari/537.36",
            "REMOTE_ADDR": "192.0.2.7",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }
