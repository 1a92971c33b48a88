"""The sandbox itself: the WSGI entry, and the Python side for tests, seeds and commands."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from sandbox import api_keys, auth, journal, people, records, routes, stored_secrets
from sandbox.faults.gate import Gate
from sandbox.faults.happening import happen
from sandbox.faults.late import Due, DueList
from sandbox.faults.line import Line
from sandbox.faults.rules import Faults
from sandbox.messages import Call, Presented, Request, Response
from sandbox.moments import Clock, ShiftedClock, optional_stamp, stamp, utc_now
from sandbox.problems import ApiError, internal, method_not_allowed
from sandbox.store import Store
from sandbox.throttle import Throttle

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable
    from pathlib import Path
    from wsgiref.types import StartResponse, WSGIEnvironment

_HEALTH = "/healthz"
_LONG_LIVED = timedelta(days=3650)

logger = logging.getLogger(__name__)


class Sandbox:
    """A Cerby workspace in the SQLite file at ``path``, made on first use.

    ``clock`` returns aware times. ``requests_per_minute`` sets how many requests a credential may make
    before it gets 429; None means no limit. It behaves until ``faults`` are set.
    """

    def __init__(
        self, path: Path | str, *, clock: Clock = utc_now, requests_per_minute: int | None = None
    ) -> None:
        self.clock = ShiftedClock(clock)
        self.store = Store(path)
        self.throttle = Throttle(requests_per_minute)
        self.gate = Gate()
        self.due = DueList(self._carry_out_late)
        self.faults = Faults(self)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = Request.of(environ)
        with_body = request.method != "HEAD"
        if request.path == _HEALTH:
            return _health(request).send(start_response, with_body=with_body)
        with self.gate.connection(environ):
            if self.gate.is_shut:
                Line(environ, self.gate).reset()  # it was accepted before the port closed
            self.settle()
            incident = self.faults.draw(request)
            if incident is not None:
                return happen(incident, start_response)
            return self.answer(request).send(start_response, with_body=with_body)

    def answer(self, request: Request) -> Response:
        """Answer as a workspace does, and note in the journal."""
        now = self.clock()
        response = self.perform(request, now)
        self.note(request, now, response.status, committed=response.is_success)
        return response

    def perform(self, request: Request, now: datetime, *, commit: bool = True) -> Response:
        """What the workspace answers; without ``commit``, nothing of it is kept."""
        try:
            with self.store.transaction(commit=commit) as db:
                return self._dispatch(db, request, now)
        except Exception:
            logger.exception("The sandbox failed on %s.", request.method)
            return Response.of_error(internal())

    def note(
        self, request: Request, now: datetime, status: int, *, committed: bool, fault: str | None = None
    ) -> int:
        """Note a request in the journal; its sequence number. A request that reads commits nothing."""
        committed_at = stamp(now) if committed and request.method not in {"GET", "HEAD"} else None
        with self.store.transaction() as db:
            return journal.append(db, stamp(now), request, status, committed_at=committed_at, fault=fault)

    def _dispatch(self, db: sqlite3.Connection, request: Request, now: datetime) -> Response:
        # A refusal is an answer, not a rollback: that the key was used stays noted.
        try:
            route, target = routes.find(request.method, request.path)
            caller = auth.authenticate(db, stamp(now), request)
            self.throttle.count(request.presented or Presented(""), now)
            auth.authorise(caller, route)
            return route.handler(Call(db, stamp(now), request, caller, target))
        except ApiError as error:
            return Response.of_error(error)

    def settle(self, now: datetime | None = None) -> int:
        """Carry out the requests that were to be late and are due at ``now``; how many.

        Every request, and all that is asked here, does so first.
        """
        return self.due.settle(now or self.clock())

    def _carry_out_late(self, due: Due) -> None:
        due.request.give_body(due.body)
        if self.perform(due.request, due.at).is_success:
            with self.store.transaction() as db:
                journal.committed_late(db, due.sequence, stamp(due.at))

    def journal(self) -> list[dict[str, Any]]:
        """The requests, oldest first: sequence, at, method, path, query, credential (``api_key``, ``bearer``
        or None), person_id, key_id, external_id, status (0: nothing was sent), committed (whether it has
        changed the workspace), committed_at (stamp or None), fault (name or None).
        """
        self.settle()
        with self.store.transaction() as db:
            return journal.read(db)

    def secrets(self) -> list[dict[str, Any]]:
        """What is kept of the secrets: id, title, category, body_sha256 (hex), body_length, vault_id, …"""
        with self.store.transaction() as db:
            return stored_secrets.kept(db)

    def api_keys(self) -> list[dict[str, Any]]:
        """Every API key, oldest first: id, name, scopes (separated by spaces), status, owner_id, email,
        external_id, created_at, expires_at, last_used_at, removed_at.
        """
        self.settle()
        with self.store.transaction() as db:
            return api_keys.every(db, stamp(self.clock()))

    def accepts(self, credential: str) -> bool:
        """Whether this API key or bearer token works now."""
        self.settle()
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

    def change_key(
        self,
        key_id: str,
        *,
        name: str | None = None,
        scopes: Iterable[str] | None = None,
        owner_email: str | None = None,
        expires_at: datetime | None = None,
        removed: bool = False,
        gone: bool = False,
    ) -> None:
        """Change a key behind everybody's back. ``gone`` leaves no trace of it.

        Raises LookupError for an unknown key or e-mail, ValueError for an unknown scope.
        """
        with self.store.transaction() as db:
            api_keys.change(
                db,
                key_id,
                stamp(self.clock()),
                name=name,
                scopes=scopes,
                owner_id=None if owner_email is None else people.by_email(db, owner_email)["id"],
                expires_at=optional_stamp(expires_at),
                removed=removed,
                gone=gone,
            )

    def admin_emails(self) -> list[str]:
        """Of the live people who may manage keys."""
        with self.store.transaction() as db:
            return people.admin_emails(db)

    def snapshot(self) -> bytes:
        """The whole content, for ``restore``."""
        return self.store.snapshot()

    def restore(self, snapshot: bytes) -> None:
        """Back to that content, without faults."""
        self._behave()
        self.store.restore(snapshot)

    def reset(self) -> None:
        """Empty the workspace: no people, no keys, no journal, no faults."""
        self._behave()
        self.store.reset()

    def _behave(self) -> None:
        self.faults.clear()
        self.due.forget()
        self.clock.offset = timedelta()
        self.throttle.forget()

    def close(self) -> None:
        """Close idle connections to the file; the next use opens new ones. Call it before a fork."""
        self.store.close()


def _health(request: Request) -> Response:
    if request.method not in {"GET", "HEAD"}:
        return Response.of_error(method_not_allowed(["GET", "HEAD"]))
    return Response(HTTPStatus.OK, {"status": "ok"})
