"""The sandbox itself: the WSGI entry, and the Python side for tests, seeds and commands."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from keys.cerby.sandbox import api_keys, auth, journal, people, records, routes, stored_secrets
from keys.cerby.sandbox.messages import Call, Presented, Request, Response
from keys.cerby.sandbox.moments import Clock, optional_stamp, stamp, utc_now
from keys.cerby.sandbox.problems import ApiError, internal, method_not_allowed
from keys.cerby.sandbox.store import Store
from keys.cerby.sandbox.throttle import Throttle

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from wsgiref.types import StartResponse, WSGIEnvironment

_HEALTH = "/healthz"
_LONG_LIVED = timedelta(days=3650)

logger = logging.getLogger(__name__)


class Sandbox:
    """A Cerby workspace in the SQLite file at ``path``, made on first use.

    ``clock`` returns aware times. ``requests_per_minute`` sets how many requests a credential may make
    before it gets 429; None means no limit.
    """

    def __init__(
        self, path: Path | str, *, clock: Clock = utc_now, requests_per_minute: int | None = None
    ) -> None:
        self.clock = clock
        self.store = Store(path)
        self.throttle = Throttle(requests_per_minute)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = Request.of(environ)
        response = _health(request) if request.path == _HEALTH else self.answer(request)
        return response.send(start_response, with_body=request.method != "HEAD")

    def answer(self, request: Request) -> Response:
        """Answer and note in the journal. What delays, drops or alters answers belongs around this call."""
        now = self.clock()
        try:
            response = self._dispatch(request, now)
        except Exception:
            logger.exception("The sandbox failed on %s.", request.method)
            response = Response.of_error(internal())
        with self.store.transaction() as db:
            journal.append(db, stamp(now), request, response.status)
        return response

    def _dispatch(self, request: Request, now: datetime) -> Response:
        with self.store.transaction() as db:
            # A refusal is an answer, not a rollback: that the key was used stays noted.
            try:
                route, target = routes.find(request.method, request.path)
                caller = auth.authenticate(db, stamp(now), request)
                self.throttle.count(request.presented or Presented(""), now)
                auth.authorise(caller, route)
                return route.handler(Call(db, stamp(now), request, caller, target))
            except ApiError as error:
                return Response.of_error(error)

    def journal(self) -> list[dict[str, Any]]:
        """The requests, oldest first: at, method, path, query, credential (``api_key``, ``bearer`` or None),
        person_id, key_id, external_id, status.
        """
        with self.store.transaction() as db:
            return journal.read(db)

    def secrets(self) -> list[dict[str, Any]]:
        """What is kept of the secrets: id, title, category, body_sha256 (hex), body_length, vault_id, …"""
        with self.store.transaction() as db:
            return stored_secrets.kept(db)

    def accepts(self, credential: str) -> bool:
        """Whether this API key or bearer token works now."""
        with self.store.transaction() as db:
            return auth.accepts(db, stamp(self.clock()), credential)

    def issue_token(self, email: str, *, lifetime: timedelta = _LONG_LIVED) -> str:
        """A bearer token for that person, plain text this once. Raises LookupError for an unknown e-mail."""
        now = self.clock()
        with self.store.transaction() as db:
            return auth.add_token(db, people.by_email(db, email)["id"], stamp(now + lifetime))

    def add_person(
        self, *, email: str, first_name: str, last_name: str, role: str, status: str = "live"
    ) -> str:
        """The new person's id. Raises as ``people.add``."""
        with self.store.transaction() as db:
            return people.add(
                db,
                email=email,
                first_name=first_name,
                last_name=last_name,
                role=role,
                status=status,
                created_at=stamp(self.clock()),
            )

    def set_person(self, person_id: str, *, role: str | None = None, status: str | None = None) -> None:
        """Raises as ``people.change``."""
        with self.store.transaction() as db:
            people.change(db, person_id, role=role, status=status, now=stamp(self.clock()))

    def add_vault(self, name: str) -> str:
        return self.add_record("vault", {"name": name})

    def add_record(self, type_name: str, attributes: dict[str, Any]) -> str:
        """The id of a new ``vault``, ``account``, ``team``, ``integration`` or ``job``."""
        with self.store.transaction() as db:
            return records.add(db, type_name, attributes, created_at=stamp(self.clock()))

    def add_key(
        self,
        *,
        owner_email: str,
        name: str,
        scopes: Iterable[str],
        created_at: datetime,
        expires_at: datetime,
        last_used_at: datetime | None = None,
        removed_at: datetime | None = None,
        external_id: str | None = None,
    ) -> tuple[str, str]:
        """The new key's id and plain text.

        Raises LookupError for an unknown e-mail, else as ``api_keys.add``.
        """
        with self.store.transaction() as db:
            return api_keys.add(
                db,
                owner_id=people.by_email(db, owner_email)["id"],
                name=name,
                scopes=scopes,
                created_at=stamp(created_at),
                expires_at=stamp(expires_at),
                last_used_at=optional_stamp(last_used_at),
                removed_at=optional_stamp(removed_at),
                external_id=external_id,
            )

    def snapshot(self) -> bytes:
        """The whole content, for ``restore``."""
        return self.store.snapshot()

    def restore(self, snapshot: bytes) -> None:
        self.store.restore(snapshot)
        self.throttle.forget()

    def reset(self) -> None:
        """Empty the workspace: no people, no keys, no journal."""
        self.store.reset()
        self.throttle.forget()

    def close(self) -> None:
        """Close idle connections to the file; the next use opens new ones. Call it before a fork."""
        self.store.close()


def _health(request: Request) -> Response:
    if request.method not in {"GET", "HEAD"}:
        return Response.of_error(method_not_allowed(["GET", "HEAD"]))
    return Response(HTTPStatus.OK, {"status": "ok"})
