"""Vaults, accounts, collections, teams, integrations and jobs: their storage and endpoints."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING

from sandbox import people
from sandbox.listing import Listing, choice, list_response, text
from sandbox.messages import Call, Handler, Json, Response, resource_response
from sandbox.problems import not_found
from sandbox.vocabulary import LOCAL_SCHEME, RECORD_STATUSES, WORKSPACE_ID, WORKSPACE_NAME

if TYPE_CHECKING:
    import sqlite3

_ALL = "SELECT * FROM records WHERE type = ? ORDER BY created_at, rowid"
_ONE = "SELECT * FROM records WHERE type = ? AND id = ?"

_ACCOUNTS = Listing(
    {"application": text, "status": choice(RECORD_STATUSES)},
    frozenset({"label", "application", "createdAt"}),
)
LISTINGS = {
    "vault": Listing({"name": text}, frozenset({"name", "createdAt"})),
    "account": _ACCOUNTS,
    "team": Listing({"name": text}, frozenset({"name", "createdAt"})),
    "integration": _ACCOUNTS,
}
_NO_FILTERS = Listing()
_MADE = ("createdAt", "createdBy", "updatedAt", "updatedBy")


def add(
    db: sqlite3.Connection,
    type_name: str,
    attributes: Json,
    *,
    created_at: str,
    record_id: str | None = None,
) -> str:
    """Add a record and return its id. ``attributes`` may be incomplete: ``_resource`` knows the defaults."""
    record_id = record_id or str(uuid.uuid4())
    db.execute(
        "INSERT INTO records VALUES (?, ?, ?, ?)", [record_id, type_name, json.dumps(attributes), created_at]
    )
    return record_id


def exists(db: sqlite3.Connection, type_name: str, record_id: str) -> bool:
    return db.execute(_ONE, [type_name, record_id]).fetchone() is not None


def vault_takes_secrets(db: sqlite3.Connection, vault_id: str) -> bool | None:
    """Return whether the API can store a secret in this vault. None: there is no such vault."""
    row = db.execute(_ONE, ["vault", vault_id]).fetchone()
    if row is None:
        return None
    attributes = _resource(row, None)["attributes"]
    return bool(attributes["state"] == "enabled" and attributes["scheme"] != LOCAL_SCHEME)


def owned_by(db: sqlite3.Connection, type_name: str, person_id: str) -> list[Json]:
    """Return the accounts or collections that this person owns, or the teams that they are in."""
    owner = people.owner_id(db)
    rows = db.execute(_ALL, [type_name]).fetchall()
    if type_name == "team":
        rows = [row for row in rows if person_id in json.loads(row["attributes"]).get("members", ())]
    found = [_resource(row, owner) for row in rows]
    return [one for one in found if type_name == "team" or one["attributes"]["createdBy"] == person_id]


def list_endpoint(type_name: str) -> Handler:
    def handle(call: Call) -> Response:
        return list_response(call, _visible(call, type_name), LISTINGS[type_name])

    return handle


def get_endpoint(type_name: str) -> Handler:
    def handle(call: Call) -> Response:
        return resource_response(call, _get_or_404(call, type_name))

    return handle


def account_secrets(call: Call) -> Response:
    """``GET /accounts/{id}/secrets`` (published). Every account has a password, whose text is nowhere."""
    account = _get_or_404(call, "account")
    made = {name: account["attributes"][name] for name in _MADE}
    attributes = {
        "title": account["attributes"]["label"],
        "category": "custom",
        "status": "active",
        "eventName": None,
        "expiresAt": None,
        "workspaceId": WORKSPACE_ID,
        "workspaceName": WORKSPACE_NAME,
        "requiresIdentityChallenge": False,
        "version": 1,
        "versionId": _id_from(account["id"], "version"),
        **made,
    }
    secret = {"id": _id_from(account["id"], "secret"), "type": "secret", "attributes": attributes}
    return list_response(call, [secret], _NO_FILTERS)


def integration_users(call: Call) -> Response:
    """``GET /integrations/{id}/users`` (published). Every live person uses every integration here."""
    _get_or_404(call, "integration")
    return list_response(call, [people.resource(row) for row in people.live(call.db)], _NO_FILTERS)


def integration_entitlements(call: Call) -> Response:
    """``GET /integrations/{id}/entitlements`` (published; the attributes are ours)."""
    integration = _get_or_404(call, "integration")
    entitlements = [
        {
            "id": _id_from(integration["id"], name),
            "type": "entitlement",
            "attributes": {"name": name, "createdAt": integration["attributes"]["createdAt"]},
        }
        for name in ("Member", "Administrator")
    ]
    return list_response(call, entitlements, _NO_FILTERS)


def _visible(call: Call, type_name: str) -> list[Json]:
    """Return the records that the caller may see. Of accounts, those that they own (published)."""
    owner = people.owner_id(call.db)
    found = [_resource(row, owner) for row in call.db.execute(_ALL, [type_name])]
    if type_name != "account":
        return found
    return [one for one in found if one["attributes"]["createdBy"] == call.caller.person_id]


def _get_or_404(call: Call, type_name: str) -> Json:
    for one in _visible(call, type_name):
        if one["id"] == call.target:
            return one
    raise not_found()


def _resource(row: sqlite3.Row, owner: str | None) -> Json:
    """Return the record in its published form. ``owner`` made the records that do not say who did."""
    given = json.loads(row["attributes"])
    made = {
        "createdAt": row["created_at"],
        "createdBy": given.get("createdBy", owner),
        "updatedAt": row["created_at"],
        "updatedBy": given.get("createdBy", owner),
    }
    if row["type"] == "vault":
        type_name, attributes = "vault", _vault(given, made)
    elif row["type"] == "team":
        type_name, attributes = "team", _team(given, made)
    elif row["type"] == "collection":
        type_name, attributes = "collections", {"name": given["name"], **made}
    elif row["type"] == "job":
        type_name, attributes = "job", _job(given, made)
    else:
        type_name, attributes = "account", _account(given, made)  # an integration too (published)
    return {"id": row["id"], "type": type_name, "attributes": attributes}


def _vault(given: Json, made: Json) -> Json:
    return {
        "name": given["name"],
        "state": given.get("state", "enabled"),
        "scheme": given.get("scheme", "kms_byo"),
        "createdBy": given.get("createdBy"),
        "createdByType": "user" if "createdBy" in given else "system",
        "createdAt": made["createdAt"],
        "updatedAt": made["updatedAt"],
        "workspaceId": WORKSPACE_ID,
    }


def _account(given: Json, made: Json) -> Json:
    application = str(given.get("application", given["name"]))
    status = given.get("status", "enabled")
    return {
        "label": given["name"],
        "application": application,
        "provider": application.lower().replace(" ", "-"),
        "status": status if status in RECORD_STATUSES else "enabled",
        **made,
        "lastLoginDate": given.get("lastLoginDate"),
    }


def _team(given: Json, made: Json) -> Json:
    own = {"name": given["name"], "type": "custom", "workspaceId": WORKSPACE_ID}
    return {**own, "vaultId": given.get("vaultId"), **made}


def _job(given: Json, made: Json) -> Json:
    account = {"entity": "account", "id": None, "name": None, "provider": None}
    status = given.get("status", "succeeded")
    return {
        "account": {**account, **given.get("account", {})},
        "canRetry": status == "failed",
        "errorDetails": "The application did not answer." if status == "failed" else None,
        "workflowType": given.get("workflowType", "password_rotation"),
        "status": status,
        "trigger": given.get("trigger", "manual"),
        **made,
    }


def _id_from(record_id: str, name: str) -> str:
    return str(uuid.uuid5(uuid.UUID(WORKSPACE_ID), f"{record_id}:{name}"))
