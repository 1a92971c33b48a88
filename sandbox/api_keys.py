"""API keys: their storage, and the key-management endpoints, which are our contract (docs/gateway.md)."""

from __future__ import annotations

import uuid
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from sandbox import key_history, people
from sandbox.auth import digest, new_key
from sandbox.bodies import attributes_of, wrong_attribute
from sandbox.listing import Listing, choice, list_response, uuid_text
from sandbox.messages import Call, Json, Response, resource_response
from sandbox.problems import conflict, forbidden, not_found
from sandbox.vocabulary import KEY_STATUSES, SCOPES, outranks

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

_LONGEST_NAME = 255
_NEW_KEY = frozenset({"name", "scopes", "expiresAt", "ownerId", "externalId"})

# The page is cut before the join, so that its cost does not depend on the number of keys.
_PAGE = """
SELECT cut.*, people.email
FROM (SELECT *, rowid AS position FROM api_keys ORDER BY created_at, rowid LIMIT ? OFFSET ?) AS cut
JOIN people ON people.id = cut.owner_id ORDER BY cut.created_at, cut.position
"""
_NO_LIMIT = -1
_ONE = """
SELECT api_keys.*, people.email FROM api_keys JOIN people ON people.id = api_keys.owner_id
WHERE api_keys.id = ?
"""
_BY_EXTERNAL_ID = "SELECT 1 FROM api_keys WHERE external_id = ?"

_LISTING = Listing(
    filters={"status": choice(KEY_STATUSES), "externalId": uuid_text},
    sorts=frozenset({"name", "ownerEmail", "createdAt", "expiresAt", "lastUsedAt", "removedAt"}),
)


def add(
    db: sqlite3.Connection,
    *,
    key_id: str | None = None,
    owner_id: str,
    name: str,
    scopes: Iterable[str],
    created_at: str,
    expires_at: str,
    last_used_at: str | None = None,
    removed_at: str | None = None,
    external_id: str | None = None,
) -> tuple[str, str]:
    """Store a new key's digest and return the key's id and plain text. Times are stamps.

    Raises ValueError for an unknown scope, sqlite3.IntegrityError if the external id is taken.
    """
    scopes = list(scopes)
    unknown = set(scopes) - SCOPES
    if unknown:
        raise ValueError(f"There is no scope {', '.join(sorted(unknown))}.")
    key_id, plain_text = key_id or str(uuid.uuid4()), new_key()
    db.execute(
        "INSERT INTO api_keys VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            key_id,
            digest(plain_text),
            name,
            " ".join(scopes),
            owner_id,
            external_id,
            created_at,
            expires_at,
            last_used_at,
            removed_at,
        ],
    )
    return key_id, plain_text


def every(db: sqlite3.Connection, now: str) -> list[dict[str, Any]]:
    """Return all keys with their status at ``now``, oldest first, without their digests."""
    rows = [dict(row) | {"status": _status(row, now)} for row in db.execute(_PAGE, [_NO_LIMIT, 0])]
    hidden = {"sha256", "position"}
    return [{name: value for name, value in row.items() if name not in hidden} for row in rows]


def change(
    db: sqlite3.Connection,
    key_id: str,
    now: str,
    *,
    name: str | None = None,
    scopes: Iterable[str] | None = None,
    owner_id: str | None = None,
    expires_at: str | None = None,
    removed: bool = False,
    gone: bool = False,
) -> None:
    """Change the given fields, as if someone did it in Cerby. ``gone`` deletes the key without a trace.

    Raises LookupError for an unknown key, ValueError for an unknown scope.
    """
    row = db.execute(_ONE, [key_id]).fetchone()
    if row is None:
        raise LookupError(f"There is no API key {key_id}.")
    new_scopes = row["scopes"].split() if scopes is None else list(scopes)
    unknown = set(new_scopes) - SCOPES
    if unknown:
        raise ValueError(f"There is no scope {', '.join(sorted(unknown))}.")
    key_history.remember(db, key_id, now)
    if gone:
        db.execute("DELETE FROM api_keys WHERE id = ?", [key_id])
        return
    db.execute(
        "UPDATE api_keys SET name = ?, scopes = ?, owner_id = ?, expires_at = ?, removed_at = ? WHERE id = ?",
        [
            name or row["name"],
            " ".join(new_scopes),
            owner_id or row["owner_id"],
            expires_at or row["expires_at"],
            row["removed_at"] or (now if removed else None),
            key_id,
        ],
    )


def list_keys(call: Call) -> Response:
    as_of = call.request.as_of
    if as_of is None:
        return list_response(call, _AllKeys(call), _LISTING)
    return list_response(call, [_resource(row, as_of) for row in key_history.read(call.db, as_of)], _LISTING)


class _AllKeys:
    """A lazy sequence of all keys, oldest first. Only the keys of a slice are read and converted."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def __len__(self) -> int:
        (count,) = self._call.db.execute("SELECT count(*) FROM api_keys").fetchone()
        return int(count)

    def __getitem__(self, part: slice) -> list[Json]:
        start, stop, _ = part.indices(len(self))
        rows = self._call.db.execute(_PAGE, [max(0, stop - start), start])
        return [_resource(row, self._call.now) for row in rows]


def get_key(call: Call) -> Response:
    return resource_response(call, _resource(_get_or_404(call), call.now))


def issue(call: Call) -> Response:
    """Answer 201 with the plain text as ``key``, this once; 409 if the externalId was used before."""
    attributes = attributes_of(call.request, "api_key", _NEW_KEY)
    external_id = attributes.optional_uuid("externalId")
    call.request.external_id = external_id
    name = attributes.text("name", longest=_LONGEST_NAME)
    scopes = attributes.scopes("scopes")
    expires_at = attributes.future("expiresAt", call.now)
    owner_id = _owner(call, attributes.optional_uuid("ownerId"))
    if external_id and call.db.execute(_BY_EXTERNAL_ID, [external_id]).fetchone():
        raise conflict("There is an API key with this externalId already.")
    key_id, plain_text = add(
        call.db,
        owner_id=owner_id,
        name=name,
        scopes=scopes,
        created_at=call.now,
        expires_at=expires_at,
        external_id=external_id,
    )
    resource = _resource(call.db.execute(_ONE, [key_id]).fetchone(), call.now)
    resource["attributes"]["key"] = plain_text
    return resource_response(call, resource, HTTPStatus.CREATED)


def rescope(call: Call) -> Response:
    """Replace the scopes of an active key. Answer 409 if it is expired or removed."""
    row = _get_or_404(call)
    scopes = attributes_of(call.request, "api_key", {"scopes"}).scopes("scopes")
    status = _status(row, call.now)
    if status != "active":
        raise conflict(f"The API key is {status}; only an active one can get other scopes.")
    key_history.remember(call.db, row["id"], call.now)
    call.db.execute("UPDATE api_keys SET scopes = ? WHERE id = ?", [" ".join(scopes), row["id"]])
    return resource_response(call, _resource(_get_or_404(call), call.now))


def remove(call: Call) -> Response:
    """Answer 204 and remove the key, or 404 if it was removed before."""
    row = _get_or_404(call)
    if row["removed_at"] is not None:
        raise not_found()
    key_history.remember(call.db, row["id"], call.now)
    call.db.execute("UPDATE api_keys SET removed_at = ? WHERE id = ?", [call.now, row["id"]])
    return Response(HTTPStatus.NO_CONTENT)


def _owner(call: Call, owner_id: str | None) -> str:
    """Return the id of the person the new key acts as; by default, the caller."""
    if owner_id is None:
        return call.caller.person_id
    person = people.find(call.db, owner_id)
    if person is None or person["status"] != "live":
        raise wrong_attribute("ownerId", "There is no live user with this id.")
    if outranks(person["role"], call.caller.role):
        raise forbidden("A key cannot act as a user whose role is higher than your own.")
    return owner_id


def _get_or_404(call: Call) -> sqlite3.Row:
    row: sqlite3.Row | None = call.db.execute(_ONE, [call.target]).fetchone()
    if row is None:
        raise not_found()
    call.request.external_id = row["external_id"]
    return row


def _status(row: sqlite3.Row, now: str) -> str:
    if row["removed_at"] is not None:
        return "removed"
    return "expired" if row["expires_at"] <= now else "active"


def _resource(row: sqlite3.Row, now: str) -> Json:
    attributes = {
        "name": row["name"],
        "scopes": row["scopes"].split(),
        "status": _status(row, now),
        "ownerId": row["owner_id"],
        "ownerEmail": row["email"],
        "createdAt": row["created_at"],
        "expiresAt": row["expires_at"],
        "lastUsedAt": row["last_used_at"],
        "removedAt": row["removed_at"],
        "externalId": row["external_id"],
    }
    return {"id": row["id"], "type": "api_key", "attributes": attributes}
