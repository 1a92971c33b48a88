"""Secrets: their storage, which keeps no text of a secret, and their endpoints."""

from __future__ import annotations

import uuid
from http import HTTPStatus
from typing import TYPE_CHECKING

from sandbox import records
from sandbox.auth import digest
from sandbox.bodies import Attributes, wrong_attribute
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
) -> str:
    """Add a secret and return its id. Only the SHA-256 and the length (characters) of the body are stored."""
    secret_id = secret_id or str(uuid.uuid4())
    db.execute(
        "INSERT INTO secrets VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [secret_id, title, category, digest(body), len(body), vault_id, created_at, created_by],
    )
    return secret_id


def every(db: sqlite3.Connection) -> list[Json]:
    """Return every row: id, title, category, body_sha256, body_length, vault_id, created_at, created_by."""
    return [dict(row) for row in db.execute(_ALL)]


def list_secrets(call: Call) -> Response:
    """``GET /secrets`` (published)."""
    return list_response(call, [_resource(row) for row in call.db.execute(_ALL)], _LISTING)


def get_secret(call: Call) -> Response:
    """``GET /secrets/{id}`` (published)."""
    return resource_response(call, _get_or_404(call, call.target))


def create_secret(call: Call) -> Response:
    """``POST /secrets`` (published; its attribute names are our contract)."""
    attributes = Attributes(call.request, "secret", {"title", "category", "body", "vaultId"})
    secret_id = add(
        call.db,
        title=attributes.text("title", longest=_LONGEST_TITLE),
        category=attributes.choice("category", {"text"}),
        body=attributes.text("body", longest=_LONGEST_BODY),
        vault_id=_vault(call, attributes.optional_uuid("vaultId")),
        created_at=call.now,
        created_by=call.caller.person_id,
    )
    return resource_response(call, _get_or_404(call, secret_id), HTTPStatus.CREATED)


def _vault(call: Call, vault_id: str | None) -> str:
    """Return the requested vault, or the only one if the request names none."""
    vaults = [vault["id"] for vault in records.of_type(call.db, "vault")]
    if vault_id is None and len(vaults) == 1:
        return str(vaults[0])
    if vault_id is None:
        raise wrong_attribute("vaultId", f"Name a vault: this workspace has {len(vaults)}.")
    if vault_id not in vaults:
        raise wrong_attribute("vaultId", "There is no such vault.")
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
        "workspaceId": WORKSPACE_ID,
        "workspaceName": WORKSPACE_NAME,
        "vaultId": row["vault_id"],
        "requiresIdentityChallenge": False,
        "version": 1,
        "status": "enabled",
        "createdAt": row["created_at"],
        "createdBy": row["created_by"],
        "updatedAt": row["created_at"],
        "updatedBy": row["created_by"],
    }
    return {"id": row["id"], "type": "secret", "attributes": attributes}
