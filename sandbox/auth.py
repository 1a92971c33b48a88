"""Authentication and authorisation: create, store and check API keys and bearer tokens."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.messages import Caller, Credential
from sandbox.problems import forbidden, unauthorized
from sandbox.vocabulary import ROLES

if TYPE_CHECKING:
    import sqlite3

    from sandbox.messages import Request

_RANDOM_BYTES = 32  # 43 characters in URL-safe Base64

_FIND_KEY = """
SELECT api_keys.id, api_keys.owner_id AS person_id, api_keys.scopes, api_keys.expires_at,
       api_keys.removed_at, people.role, people.status
FROM api_keys JOIN people ON people.id = api_keys.owner_id
WHERE api_keys.sha256 = ?
"""
_FIND_BEARER = """
SELECT NULL AS id, tokens.person_id, NULL AS scopes, tokens.expires_at,
       NULL AS removed_at, people.role, people.status
FROM tokens JOIN people ON people.id = tokens.person_id
WHERE tokens.sha256 = ?
"""


@dataclass(frozen=True)
class Access:
    """The callers that a route accepts.

    ``scopes`` lists alternatives: an API key needs all scopes of at least one set. ``people_only`` refuses
    API keys.
    """

    scopes: tuple[frozenset[str], ...] = ()
    roles: frozenset[str] = frozenset(ROLES)
    people_only: bool = False


def new_key() -> str:
    return "sbx_" + secrets.token_urlsafe(_RANDOM_BYTES)


def new_token() -> str:
    return "sbt_" + secrets.token_urlsafe(_RANDOM_BYTES)


def digest(plain_text: str) -> str:
    """Return the SHA-256 in hex. It needs no salt, because a credential has 256 random bits."""
    return hashlib.sha256(plain_text.encode()).hexdigest()


def add_token(db: sqlite3.Connection, person_id: str, expires_at: str) -> str:
    """Store a new bearer token's digest and return its plain text."""
    plain_text = new_token()
    db.execute("INSERT INTO tokens VALUES (?, ?, ?)", [digest(plain_text), person_id, expires_at])
    return plain_text


def accepts(db: sqlite3.Connection, now: str, plain_text: str) -> bool:
    """Return whether this API key or bearer token works now."""
    rows = [db.execute(find, [digest(plain_text)]).fetchone() for find in (_FIND_KEY, _FIND_BEARER)]
    return any(row is not None and _is_live(row, now) for row in rows)


def authenticate(db: sqlite3.Connection, now: str, request: Request) -> Caller:
    """Return the caller and note the credential in ``request.credential``.

    If the request has both headers, the API key counts. Raises ApiError 401 for a missing, unknown, expired
    or deleted credential, and for a credential whose person is not live.
    """
    key = request.header("X-API-Key")
    scheme, _, token = request.header("Authorization").partition(" ")
    if key:
        request.credential = Credential("api_key")
        row = db.execute(_FIND_KEY, [digest(key)]).fetchone()
    elif scheme.lower() == "bearer":
        request.credential = Credential("bearer")
        row = db.execute(_FIND_BEARER, [digest(token.strip())]).fetchone()
    else:
        raise unauthorized()
    if row is None:
        raise unauthorized()
    request.credential = Credential(request.credential.kind, row["person_id"], row["id"])
    if not _is_live(row, now):
        raise unauthorized()
    db.execute("UPDATE api_keys SET last_used_at = ? WHERE id = ?", [now, row["id"]])
    scopes = None if row["scopes"] is None else frozenset(row["scopes"].split())
    return Caller(row["person_id"], row["role"], scopes)


def authorise(caller: Caller, access: Access) -> None:
    """Raise ApiError if the caller may not do this.

    An API key gets 403 if only people may do this, and 401 if it lacks a scope. A role gets 403 if it is
    not among ``access.roles``.
    """
    if caller.scopes is not None:
        if access.people_only:
            raise forbidden("An API key cannot manage API keys.")
        if not any(enough <= caller.scopes for enough in access.scopes):
            raise unauthorized()
    if caller.role not in access.roles:
        raise forbidden("The role of this credential's user does not allow this.")


def _is_live(row: sqlite3.Row, now: str) -> bool:
    return row["removed_at"] is None and row["expires_at"] > now and row["status"] == "live"
