"""Vaults, accounts, teams, integrations and jobs: their storage and endpoints."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING

from sandbox.listing import Listing, choice, list_response, text
from sandbox.messages import Call, Handler, Json, Response, resource_response
from sandbox.problems import not_found

if TYPE_CHECKING:
    import sqlite3

_ALL = "SELECT * FROM records WHERE type = ? ORDER BY created_at, rowid"
_ONE = "SELECT * FROM records WHERE type = ? AND id = ?"

LISTINGS = {
    "vault": Listing({"name": text}, frozenset({"name", "createdAt"})),
    "account": Listing(
        {"name": text, "application": text, "status": choice({"enabled", "disabled"})},
        frozenset({"name", "application", "createdAt"}),
    ),
    "team": Listing({"name": text}, frozenset({"name", "createdAt"})),
    "integration": Listing({"name": text, "status": text}, frozenset({"name", "createdAt"})),
}


def add(
    db: sqlite3.Connection,
    type_name: str,
    attributes: Json,
    *,
    created_at: str,
    record_id: str | None = None,
) -> str:
    """Add a record and return its id."""
    record_id = record_id or str(uuid.uuid4())
    db.execute(
        "INSERT INTO records VALUES (?, ?, ?, ?)", [record_id, type_name, json.dumps(attributes), created_at]
    )
    return record_id


def of_type(db: sqlite3.Connection, type_name: str) -> list[Json]:
    return [_resource(row) for row in db.execute(_ALL, [type_name])]


def list_endpoint(type_name: str) -> Handler:
    def handle(call: Call) -> Response:
        return list_response(call, of_type(call.db, type_name), LISTINGS[type_name])

    return handle


def get_endpoint(type_name: str) -> Handler:
    def handle(call: Call) -> Response:
        row = call.db.execute(_ONE, [type_name, call.target]).fetchone()
        if row is None:
            raise not_found()
        return resource_response(call, _resource(row))

    return handle


def _resource(row: sqlite3.Row) -> Json:
    attributes = {**json.loads(row["attributes"]), "createdAt": row["created_at"]}
    return {"id": row["id"], "type": row["type"], "attributes": attributes}
