"""Secrets: their storage, which keeps no text of a secret, and their endpoints."""

from __future__ import annotations

import uuid
from http import HTTPStatus
from typing import TYPE_CHECKING

from sandbox import records, secret_members
from sandbox.auth import digest
from sandbox.bodies import attributes_of, wrong_attribute
from sandbox.listing import Listing, choice, list_response
from sandbox.messages import Call, Json, Response, resource_response
from sandbox.problems import not_found
from sandbox.vocabulary import SECRET_CATEGORIES, WORKSPACE_ID, WORKSPACE_NAME

if TYPE_CHECKING:
    import sqlite3

_LONGEST_TITLE = 255
_LONGEST_BODY = 100_000

_ALL = "SELECT * FROM secrets ORDER BY created_at, rowid"
_ONE = "SELECT * FROM secrets WHERE id = ?"

_OWNED = (
    "SELECT secrets.* FROM secrets JOIN secret_members ON secret_id = secrets.id"
    " WHERE kind = 'users' AND member_id = ? AND role = ? ORDER BY secrets.created_at, secrets.rowid"
)

_LISTING = Listing({"category": choice(SECRET_CATEGORIES)}, frozenset({"title", "createdAt", "updatedAt"}))


def add(
    db: sqlite3.Connection,
    *,
    secret_id: str | None = None,
    title: str,
    category: str,
    body: str,
    vault_id: str,
    created_at: str,
    created_by: str,
    expires_at: str | None = None,
    requires_identity_challenge: bool = False,
) -> str:
    """Add a secret, which belongs to ``created_by``, and return its id.

    Only the SHA-256 and the length (characters) of the body are stored.
    """
    secret_id = secret_id or str(uuid.uuid4())
    db.execute(
        "INSERT INTO secrets (id, title, category, body_sha256, body_length, vault_id, created_at,"
        " created_by, expires_at, requires_identity_challenge) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            secret_id,
            title,
            category,
            digest(body),
            len(body),
            vault_id,
            created_at,
            created_by,
            expires_at,
            requires_identity_challenge,
        ],
    )
    secret_members.add(
        db,
        secret_id,
        kind="users",
        member_id=created_by,
        role=secret_members.OWNER,
        created_at=created_at,
    )
    return secret_id


def every(db: sqlite3.Connection) -> list[Json]:
    """Return every row.

    Each has: id, title, category, body_sha256, body_length, vault_id, created_at, created_by, expires_at,
    requires_identity_challenge.
    """
    return [dict(row) for row in db.execute(_ALL)]


def owned_by(db: sqlite3.Connection, person_id: str) -> list[Json]:
    """Return the secrets of which this person is an owner."""
    return [_resource(row) for row in db.execute(_OWNED, [person_id, secret_members.OWNER])]


def list_secrets(call: Call) -> Response:
    """``GET /secrets`` (published)."""
    return list_response(call, [_resource(row) for row in call.db.execute(_ALL)], _LISTING)


def get_secret(call: Call) -> Response:
    """``GET /secrets/{id}`` (published)."""
    return resource_response(call, _get_or_404(call, call.target))


def create_secret(call: Call) -> Response:
    """``POST /secrets`` (published): a text in an enabled cloud vault. The caller owns it."""
    attributes = attributes_of(
        call.request,
        None,
        {"vaultId", "title", "requiresIdentityChallenge", "body", "category", "expiresAt"},
    )
    vault_id = attributes.uuid("vaultId")
    title = attributes.text("title", longest=_LONGEST_TITLE)
    requires_identity_challenge = attributes.flag("requiresIdentityChallenge")
    body = attributes.part("body", {"type", "value"})
    body.choice("type", ["plaintext"])
    secret_id = add(
        call.db,
        title=title,
        category=attributes.choice("category", ["text"]),
        body=body.text("value", longest=_LONGEST_BODY),
        vault_id=_usable(call, vault_id),
        created_at=call.now,
        created_by=call.caller.person_id,
        expires_at=attributes.optional_time("expiresAt"),
        requires_identity_challenge=requires_identity_challenge,
    )
    return resource_response(call, _get_or_404(call, secret_id), HTTPStatus.CREATED)


def _usable(call: Call, vault_id: str) -> str:
    """Return the id of a vault that can take a secret. Raises ApiError 400."""
    usable = records.vault_takes_secrets(call.db, vault_id)
    if usable is None:
        raise wrong_attribute("vaultId", "the vault does not exist")
    if not usable:
        raise wrong_attribute("vaultId", "the vault is disabled or is not a cloud vault")
    return vault_id


def _get_or_404(call: Call, secret_id: str) -> Json:
    row = call.db.execute(_ONE, [secret_id]).fetchone()
    if row is None:
        raise not_found()
    return _resource(row)


def _resource(row: sqlite3.Row) -> Json:
    attributes = {
        "title": row["title"],
        "category": row["category"],
        "status": "active",
        "eventName": None,
        "expiresAt": row["expires_at"],
        "workspaceId": WORKSPACE_ID,
        "workspaceName": WORKSPACE_NAME,
        "requiresIdentityChallenge": bool(row["requires_identity_challenge"]),
        "version": 1,
        "versionId": str(uuid.uuid5(uuid.UUID(WORKSPACE_ID), row["id"])),
        "createdAt": row["created_at"],
        "createdBy": row["created_by"],
        "updatedAt": row["created_at"],
        "updatedBy": row["created_by"],
    }
    return {"id": row["id"], "type": "secret", "attributes": attributes}
