"""The workspace itself: it answers requests, and tests, seeds and commands change it from Python."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sandbox import api_keys, auth, journal, people, records, routes, stored_secrets
from sandbox.late_writes import LateWrite, LateWrites
from sandbox.messages import Call, Credential, Request, Response
from sandbox.moments import Clock, ShiftedClock, optional_stamp, stamp, utc_now
from sandbox.problems import ApiError, internal
from sandbox.store import Store
from sandbox.throttle import Throttle

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable
    from pathlib import Path

_TOKEN_LIFETIME = timedelta(days=3650)

logger = logging.getLogger(__name__)


class Workspace:
    """A Cerby workspace in the SQLite file at ``path``, without HTTP and without faults.

    ``sandbox.app.Sandbox`` explains the arguments.
    """

    def __init__(
        self, path: Path | str, *, clock: Clock = utc_now, requests_per_minute: int | None = None
    ) -> None:
        self.clock = ShiftedClock(clock)
        self.store = Store(path)
        self.throttle = Throttle(requests_per_minute)
        self.late_writes = LateWrites(self._carry_out_late)

    # Requests

    def answer(self, request: Request) -> Response:
        """Carry out the request and note it in the journal."""
        now = self.clock()
        response = self.perform(request, now)
        self.note(request, now, response.status, committed=response.is_success)
        return response

    def perform(self, request: Request, now: datetime, *, commit: bool = True) -> Response:
        """Carry out the request at ``now``. Without ``commit``, undo its changes before answering."""
        try:
            with self.store.transaction(commit=commit) as db:
                return self._dispatch(db, request, now)
        except Exception:
            logger.exception("The sandbox failed on %s.", request.method)
            return Response.of_error(internal())

    def note(
        self, request: Request, now: datetime, status: int, *, committed: bool, fault: str | None = None
    ) -> int:
        """Note a request in the journal and return its sequence number.

        A request that only reads never counts as committed.
        """
        committed_at = stamp(now) if committed and request.method not in {"GET", "HEAD"} else None
        with self.store.transaction() as db:
            return journal.append(db, stamp(now), request, status, committed_at=committed_at, fault=fault)

    def settle(self, now: datetime | None = None) -> int:
        """Carry out the late writes that are due at ``now`` and return their number.

        Every request does this first, and so does every method here that reads keys or the journal.
        """
        return self.late_writes.settle(now or self.clock())

    def _dispatch(self, db: sqlite3.Connection, request: Request, now: datetime) -> Response:
        # A refusal does not roll back: the use of the key stays recorded.
        try:
            route, target = routes.find(request.method, request.path)
            caller = auth.authenticate(db, stamp(now), request)
            self.throttle.count(request.credential or Credential(""), now)
            auth.authorise(caller, route.access)
            return route.handler(Call(db, stamp(now), request, caller, target))
        except ApiError as error:
            return Response.of_error(error)

    def _carry_out_late(self, write: LateWrite) -> None:
        write.request.give_body(write.body)
        if self.perform(write.request, write.due_at).is_success:
            with self.store.transaction() as db:
                journal.committed_late(db, write.sequence, stamp(write.due_at))

    # Reading

    def journal(self) -> list[dict[str, Any]]:
        """Return the requests, oldest first.

        Each has: sequence, at, method, path, query, credential (``api_key``, ``bearer`` or None), person_id,
        key_id, external_id, status (0 if nothing was sent), committed (whether it changed the workspace),
        committed_at (stamp or None), fault (name or None).
        """
        self.settle()
        with self.store.transaction() as db:
            return journal.read(db)

    def secrets(self) -> list[dict[str, Any]]:
        """Return the stored secrets as ``stored_secrets.every`` does."""
        with self.store.transaction() as db:
            return stored_secrets.every(db)

    def api_keys(self) -> list[dict[str, Any]]:
        """Return every API key, oldest first.

        Each has: id, name, scopes (separated by spaces), status, owner_id, email, external_id, created_at,
        expires_at, last_used_at, removed_at.
        """
        self.settle()
        with self.store.transaction() as db:
            return api_keys.every(db, stamp(self.clock()))

    def accepts(self, credential: str) -> bool:
        """Return whether this API key or bearer token works now."""
        self.settle()
        with self.store.transaction() as db:
            return auth.accepts(db, stamp(self.clock()), credential)

    def admin_emails(self) -> list[str]:
        """Return the emails of the live people who may manage keys, in a fixed order."""
        with self.store.transaction() as db:
            return people.admin_emails(db)

    # Changes

    def issue_token(self, email: str, *, lifetime: timedelta = _TOKEN_LIFETIME) -> str:
        """Issue a bearer token for that person and return its plain text, which is not stored.

        Raises LookupError for an unknown email.
        """
        now = self.clock()
        with self.store.transaction() as db:
            return auth.add_token(db, people.by_email(db, email)["id"], stamp(now + lifetime))

    def add_person(
        self, *, email: str, first_name: str, last_name: str, role: str, status: str = "live"
    ) -> str:
        """Add a person and return the id. Raises the errors of ``people.add``."""
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
        """Change a person's role or status. Raises the errors of ``people.change``."""
        with self.store.transaction() as db:
            people.change(db, person_id, role=role, status=status, now=stamp(self.clock()))

    def add_vault(self, name: str, *, state: str = "enabled", scheme: str = "kms_byo") -> str:
        """Add a vault. Only an enabled one whose scheme is not local can take a secret over the API."""
        return self.add_record("vault", {"name": name, "state": state, "scheme": scheme})

    def add_record(self, type_name: str, attributes: dict[str, Any]) -> str:
        """Add a vault, account, collection, team, integration or job, and return its id."""
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
        """Add a key and return its id and plain text.

        Raises LookupError for an unknown email, and the errors of ``api_keys.add``.
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
        """Change a key as if someone did it in Cerby. ``gone`` deletes it without a trace.

        Raises LookupError for an unknown key or email, ValueError for an unknown scope.
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

    # The file

    def snapshot(self) -> bytes:
        """Return the whole content, for ``restore``."""
        return self.store.snapshot()

    def restore(self, snapshot: bytes) -> None:
        self._forget()
        self.store.restore(snapshot)

    def reset(self) -> None:
        self._forget()
        self.store.reset()

    def _forget(self) -> None:
        """Forget the state that is not in the file."""
        self.late_writes.clear()
        self.clock.offset = timedelta()
        self.throttle.forget()

    def close(self) -> None:
        """Close idle connections to the file; the next use opens new ones. Call it before a fork."""
        self.store.close()
