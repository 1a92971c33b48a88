"""The people of the workspace: their storage, and the users endpoints."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from sandbox.listing import Listing, boolean, choice, flag, list_response
from sandbox.messages import Call, Json, Response, resource_response
from sandbox.problems import not_found
from sandbox.vocabulary import ADMINS, GUESTS, PERSON_STATUSES, ROLES

if TYPE_CHECKING:
    import sqlite3

_ALL = "SELECT * FROM people ORDER BY created_at, rowid"
_ONE = "SELECT * FROM people WHERE id = ?"
_BY_EMAIL = "SELECT * FROM people WHERE email = ?"


def _search_texts(attributes: Json) -> tuple[str, ...]:
    return f"{attributes['firstName']} {attributes['lastName']}", attributes["email"]


_LISTING = Listing(
    filters={"status": choice(PERSON_STATUSES), "isGuest": boolean},
    sorts=frozenset({"firstName", "lastName", "email", "createdAt", "updatedAt", "lastActivity"}),
    search=_search_texts,
    flags=frozenset({"mfaStatus"}),
)


def add(
    db: sqlite3.Connection,
    *,
    person_id: str | None = None,
    email: str,
    first_name: str,
    last_name: str,
    role: str,
    status: str,
    created_at: str,
    last_activity: str | None = None,
    mfa_enrolled_at: str | None = None,
) -> str:
    """Add a person and return the id.

    Raises ValueError for an unknown role, sqlite3.IntegrityError for an unknown status, an email that is
    taken or a second Owner.
    """
    person_id = person_id or str(uuid.uuid4())
    ROLES.index(role)
    db.execute(
        "INSERT INTO people VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            person_id,
            email,
            first_name,
            last_name,
            role,
            status,
            created_at,
            created_at,
            last_activity,
            mfa_enrolled_at,
        ],
    )
    return person_id


def change(db: sqlite3.Connection, person_id: str, *, role: str | None, status: str | None, now: str) -> None:
    """Change the given fields. Raises LookupError for an unknown person, and the errors of ``add``."""
    row = find(db, person_id)
    if row is None:
        raise LookupError(f"There is no person {person_id}.")
    role, status = role or row["role"], status or row["status"]
    ROLES.index(role)
    db.execute(
        "UPDATE people SET role = ?, status = ?, updated_at = ? WHERE id = ?", [role, status, now, person_id]
    )


def find(db: sqlite3.Connection, person_id: str) -> sqlite3.Row | None:
    found: sqlite3.Row | None = db.execute(_ONE, [person_id]).fetchone()
    return found


def by_email(db: sqlite3.Connection, email: str) -> sqlite3.Row:
    """Return the person with this email. Raises LookupError for an unknown email."""
    found: sqlite3.Row | None = db.execute(_BY_EMAIL, [email]).fetchone()
    if found is None:
        raise LookupError(f"There is no person with the email {email}.")
    return found


def admin_emails(db: sqlite3.Connection) -> list[str]:
    """Return the emails of the live people who may manage keys, in a fixed order."""
    return [row["email"] for row in db.execute(_ALL) if row["role"] in ADMINS and row["status"] == "live"]


def list_users(call: Call) -> Response:
    """``GET /users`` (published). ``mfaStatus=true`` adds how each person is enrolled."""
    with_mfa = flag(call, "mfaStatus")
    return list_response(call, [resource(row, with_mfa) for row in call.db.execute(_ALL)], _LISTING)


def get_user(call: Call) -> Response:
    """``GET /users/{id}`` (published)."""
    row = find(call.db, call.target)
    if row is None:
        raise not_found()
    return resource_response(call, resource(row, flag(call, "mfaStatus")))


def live(db: sqlite3.Connection) -> list[sqlite3.Row]:
    return [row for row in db.execute(_ALL) if row["status"] == "live"]


def owner_id(db: sqlite3.Connection) -> str | None:
    """Return the id of the workspace's Owner, if there is one."""
    row = db.execute("SELECT id FROM people WHERE role = 'workspace_owner'").fetchone()
    return None if row is None else str(row["id"])


def resource(row: sqlite3.Row, with_mfa: bool = False) -> Json:
    enrolled = row["mfa_enrolled_at"]
    mfa = {"mfaEnabled": enrolled is not None, "mfaEnrollmentDate": enrolled}
    attributes = {
        "firstName": row["first_name"],
        "lastName": row["last_name"],
        "email": row["email"],
        "status": row["status"],
        "role": row["role"],
        "isGuest": row["role"] in GUESTS,
        "createdAt": row["created_at"],
        "updatedAt": row["updated_at"],
        "lastActivity": row["last_activity"],
        "mfaStatus": mfa if with_mfa else None,
    }
    return {"id": row["id"], "type": "user", "attributes": attributes}
