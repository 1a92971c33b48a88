"""The people and teams with whom a secret is shared: their storage and endpoints (published)."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from sandbox import people, records
from sandbox.bodies import data_of
from sandbox.listing import Listing, list_response
from sandbox.messages import Call, Handler, Json, Response, resource_response
from sandbox.problems import conflict, forbidden, not_found

if TYPE_CHECKING:
    import sqlite3

OWNER = "secret_owner"
_ROLES = (OWNER, "secret_collaborator")
_LONGEST_MESSAGE = 1000

_EXISTS = "SELECT 1 FROM secrets WHERE id = ?"
_ALL = "SELECT * FROM secret_members WHERE secret_id = ? AND kind = ? ORDER BY created_at, rowid"
_ONE = "SELECT * FROM secret_members WHERE secret_id = ? AND kind = ? AND member_id = ?"


def add(
    db: sqlite3.Connection, secret_id: str, *, kind: str, member_id: str, role: str, created_at: str
) -> None:
    """Share the secret. ``kind`` is ``users`` or ``teams``."""
    row = [secret_id, kind, member_id, role, created_at]
    db.execute("INSERT INTO secret_members VALUES (?, ?, ?, ?, ?)", row)


def list_endpoint(kind: str) -> Handler:
    def handle(call: Call) -> Response:
        _check_secret(call)
        rows = call.db.execute(_ALL, [call.target, kind])
        return list_response(call, [_resource(row) for row in rows], Listing())

    return handle


def add_endpoint(kind: str) -> Handler:
    """Share a secret that the caller owns. Answer 404 for an unknown member, 409 for a known one."""

    def handle(call: Call) -> Response:
        _check_secret(call)
        data = data_of(call.request, {"id", "type", "attributes"})
        member_id = data.uuid("id")
        data.choice("type", [kind])
        attributes = data.part("attributes", {"role", "message"})
        role = attributes.choice("role", _ROLES)
        if "message" in attributes:
            attributes.text("message", longest=_LONGEST_MESSAGE)
        _check_owns(call)
        if not _exists(call, kind, member_id):
            raise not_found()
        if call.db.execute(_ONE, [call.target, kind, member_id]).fetchone():
            raise conflict("The secret is shared with this member already.")
        add(call.db, call.target, kind=kind, member_id=member_id, role=role, created_at=call.now)
        row = call.db.execute(_ONE, [call.target, kind, member_id]).fetchone()
        return resource_response(call, _resource(row), HTTPStatus.CREATED)

    return handle


def _check_secret(call: Call) -> None:
    if call.db.execute(_EXISTS, [call.target]).fetchone() is None:
        raise not_found()


def _check_owns(call: Call) -> None:
    row = call.db.execute(_ONE, [call.target, "users", call.caller.person_id]).fetchone()
    if row is None or row["role"] != OWNER:
        raise forbidden("Only an owner of the secret can share it.")


def _exists(call: Call, kind: str, member_id: str) -> bool:
    if kind == "users":
        return people.find(call.db, member_id) is not None
    return records.exists(call.db, "team", member_id)


def _resource(row: sqlite3.Row) -> Json:
    attributes = {"role": row["role"], "createdAt": row["created_at"]}
    return {"id": row["member_id"], "type": row["kind"], "attributes": attributes}
