"""An imitation of Cerby's published API, written from Cerby's documentation alone.

It shares no code with the sandbox and knows no key management, because Cerby publishes none. Tests run the
portal against it, so that a mistake which portal and sandbox have in common is found.
"""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

WORKSPACE_ID = str(uuid.UUID(int=1))
ADMIN_ROLES = {"workspace_owner", "workspace_super_admin", "workspace_admin", "workspace_guest_admin"}
READS_USERS = {"read:users"}
READS_ITEMS = {"read:items"}
CATEGORIES = {"text", "server", "ssh_key", "database", "wifi_password", "software_license", "custom"}
MEMBER_ROLES = {"secret_owner", "secret_collaborator"}


class Problem(Exception):
    """An error answer in Cerby's shape. ``status`` is a string for 400 and 403, a number for 401 and 404."""

    def __init__(self, status: int, code: str, detail: str, meta: Any = None) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail, self.meta = status, code, detail, meta

    def body(self) -> dict[str, Any]:
        shown: int | str = str(self.status) if self.status in {400, 403} else self.status
        error = {
            "code": self.code,
            "title": self.code,
            "detail": self.detail,
            "status": shown,
            "meta": self.meta,
        }
        return {"errors": [error]}


def invalid(detail: str, *loc: Any, kind: str = "value_error") -> Problem:
    return Problem(400, "validation_error", detail, {"loc": list(loc), "msg": detail, "type": kind})


UNAUTHORIZED = Problem(401, "unauthorized", "Unauthorized")
FORBIDDEN = Problem(403, "forbidden", "Forbidden")
NOT_FOUND = Problem(404, "not_found", "Not found")


@dataclass
class Cerby:
    """A workspace. Fill the lists with resources in Cerby's shape; ``keys`` maps a key to (user id, scopes)."""

    users: list[dict[str, Any]] = field(default_factory=list)
    vaults: list[dict[str, Any]] = field(default_factory=list)
    secrets: list[dict[str, Any]] = field(default_factory=list)
    accounts: list[dict[str, Any]] = field(default_factory=list)
    teams: list[dict[str, Any]] = field(default_factory=list)
    integrations: list[dict[str, Any]] = field(default_factory=list)
    jobs: list[dict[str, Any]] = field(default_factory=list)
    keys: dict[str, tuple[str, set[str]]] = field(default_factory=dict)
    members: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    requests: list[tuple[str, str, Any]] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)  # what POST /secrets stored, by secret id
    refuse_members: bool = False
    url: str = ""

    def add_user(self, email: str, role: str, *, status: str = "live", **attributes: Any) -> str:
        first, _, last = email.partition("@")[0].partition(".")
        user = {
            "id": str(uuid.uuid4()),
            "type": "user",
            "attributes": {
                "firstName": first.title(),
                "lastName": last.title(),
                "email": email,
                "status": status,
                "role": role,
                "isGuest": "guest" in role,
                "createdAt": "2024-01-04T15:36:54",
                "updatedAt": "2024-09-05T20:46:14.357000",
                "lastActivity": None,
                "mfaStatus": None,
                **attributes,
            },
        }
        self.users.append(user)
        return str(user["id"])

    def add_vault(self, name: str, *, state: str = "enabled", scheme: str = "kms_byo") -> str:
        vault = {
            "id": str(uuid.uuid4()),
            "type": "vault",
            "attributes": {
                "name": name,
                "state": state,
                "scheme": scheme,
                "createdBy": None,
                "createdByType": "system",
                "createdAt": "2025-03-25T21:30:29.423697+00:00",
                "updatedAt": "2025-03-25T21:30:29.423697+00:00",
                "workspaceId": WORKSPACE_ID,
            },
        }
        self.vaults.append(vault)
        return str(vault["id"])

    def add_key(self, user_id: str, *scopes: str) -> str:
        key = f"cerby-{uuid.uuid4().hex}"
        self.keys[key] = (user_id, set(scopes))
        return key

    # ---- answering

    def answer(self, method: str, target: str, key: str | None, body: Any) -> tuple[int, dict[str, Any]]:
        parts = urlsplit(target)
        self.requests.append((method, parts.path, body))
        if not parts.path.startswith("/api/v1/"):
            raise NOT_FOUND
        path = parts.path.removeprefix("/api/v1/").strip("/").split("/")
        query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        if key not in self.keys:
            raise UNAUTHORIZED
        user_id, scopes = self.keys[key]
        caller = next(user for user in self.users if user["id"] == user_id)
        return self._route(method, path, query, caller, scopes, body, parts.path)

    def _route(  # noqa: C901, PLR0917 - the whole API in one place
        self, method: str, path: list[str], query: dict[str, str], caller: dict[str, Any],
        scopes: set[str], body: Any, where: str,
    ) -> tuple[int, dict[str, Any]]:  # fmt: skip
        admins_only = path[0] in {"users", "vaults", "teams", "jobs"}
        readers = {
            "users": READS_USERS,
            "vaults": {"read:vaults"},
            "secrets": READS_ITEMS | {"read:items:secrets"},
            "accounts": READS_ITEMS | {"read:items:accounts"},
            "teams": READS_USERS | {"read:teams"},
            "integrations": {"read:integrations"},
            "jobs": {"read:automations"},
        }
        if path[0] not in readers:
            raise NOT_FOUND
        if method == "POST" and path == ["secrets"]:
            if not {"read:items:secrets", "write:items:secrets"} <= scopes:
                raise UNAUTHORIZED
            return 201, {"data": self._make_secret(body, caller)}
        if path[0] == "secrets" and len(path) == 4 and path[2] == "members" and path[3] in {"users", "teams"}:
            return self._members(method, path[1], path[3], scopes, body, where, query)
        if method != "GET":
            raise NOT_FOUND
        if not scopes & readers[path[0]]:
            raise UNAUTHORIZED
        if admins_only and caller["attributes"]["role"] not in ADMIN_ROLES:
            raise FORBIDDEN
        rows = getattr(self, path[0])
        if path[0] == "users":
            rows = self._users(query)
        if len(path) == 1:
            if path[0] == "jobs":
                raise NOT_FOUND
            return 200, self._page(rows, query, where)
        if len(path) == 2 and path[0] != "vaults":
            return 200, {"data": self._one(rows, path[1])}
        if len(path) == 3 and path[0] == "accounts" and path[2] == "secrets":
            self._one(rows, path[1])
            return 200, self._page([], query, where)
        raise NOT_FOUND

    def _users(self, query: dict[str, str]) -> list[dict[str, Any]]:
        status = query.get("filter[status]", "")
        chosen = status.split(",") if status else []
        for number, one in enumerate(chosen):
            if one not in {"live", "disabled", "pending"}:
                raise invalid(
                    "value is not a valid enumeration member",
                    "filter[status]",
                    number,
                    kind="type_error.enum",
                )
        wanted = query.get("filter", "").lower()
        rows = []
        for user in self.users:
            facts = user["attributes"]
            name = f"{facts['firstName']} {facts['lastName']}".lower()
            if chosen and facts["status"] not in chosen:
                continue
            if wanted and wanted not in name and wanted not in facts["email"].lower():
                continue
            shown = dict(facts)
            if query.get("mfaStatus") == "true":
                shown["mfaStatus"] = facts["mfaStatus"] or {"mfaEnabled": False, "mfaEnrollmentDate": None}
            else:
                shown["mfaStatus"] = None
            rows.append({**user, "attributes": shown})
        return rows

    def _one(self, rows: list[dict[str, Any]], wanted: str) -> dict[str, Any]:
        try:
            uuid.UUID(wanted)
        except ValueError:
            raise invalid("value is not a valid uuid", "id", kind="type_error.uuid") from None
        for row in rows:
            if row["id"] == wanted:
                return row
        raise NOT_FOUND

    def _page(self, rows: list[dict[str, Any]], query: dict[str, str], where: str) -> dict[str, Any]:
        number, size = (
            self._number(query, "page[number]", 1, None),
            self._number(query, "page[size]", 25, 100),
        )
        start = (number - 1) * size

        def link(page: int) -> str:
            return f"{where}?{quote('page[number]')}={page}&{quote('page[size]')}={size}"

        return {
            "data": rows[start : start + size],
            "links": {
                "self": link(number),
                "next": link(number + 1) if start + size < len(rows) else None,
                "previous": link(number - 1) if number > 1 else None,
            },
            "meta": {"page": {"maxSize": 100, "total": len(rows)}},
        }

    def _number(self, query: dict[str, str], name: str, default: int, most: int | None) -> int:
        text = query.get(name, str(default))
        if not re.fullmatch(r"\d+", text) or int(text) < 1 or (most and int(text) > most):
            raise invalid("value is not a valid integer", name, kind="type_error.integer")
        return int(text)

    def _make_secret(self, body: Any, caller: dict[str, Any]) -> dict[str, Any]:  # noqa: C901 - one check per rule
        if not isinstance(body, dict) or not isinstance(body.get("data"), dict):
            raise invalid("field required", "data", kind="value_error.missing")
        data = body["data"]
        if set(data) != {"attributes"}:
            raise invalid(
                "extra fields not permitted",
                "data",
                *sorted(set(data) - {"attributes"}),
                kind="value_error.extra",
            )
        facts = data["attributes"]
        for name in ("vaultId", "title", "requiresIdentityChallenge", "body", "category"):
            if name not in facts:
                raise invalid("field required", "data", "attributes", name, kind="value_error.missing")
        extra = set(facts) - {
            "vaultId",
            "title",
            "requiresIdentityChallenge",
            "body",
            "category",
            "expiresAt",
        }
        if extra:
            raise invalid(
                "extra fields not permitted", "data", "attributes", *sorted(extra), kind="value_error.extra"
            )
        if not isinstance(facts["requiresIdentityChallenge"], bool):
            raise invalid("value is not a valid boolean", "data", "attributes", "requiresIdentityChallenge")
        secret = facts["body"]
        if not isinstance(secret, dict) or set(secret) != {"type", "value"} or secret["type"] != "plaintext":
            raise invalid("value is not a valid dict", "data", "attributes", "body")
        if facts["category"] != "text":
            raise invalid("only text is supported", "data", "attributes", "category")
        vault = next((one for one in self.vaults if one["id"] == facts["vaultId"]), None)
        if vault is None:
            raise NOT_FOUND
        if (
            vault["attributes"]["state"] != "enabled"
            or vault["attributes"]["scheme"] == "local_encryption_key"
        ):
            raise invalid("vault cannot store this secret", "data", "attributes", "vaultId")
        made = {
            "id": str(uuid.uuid4()),
            "type": "secret",
            "attributes": {
                "title": facts["title"],
                "category": "text",
                "status": "active",
                "eventName": None,
                "expiresAt": facts.get("expiresAt"),
                "workspaceId": WORKSPACE_ID,
                "workspaceName": "acme",
                "requiresIdentityChallenge": facts["requiresIdentityChallenge"],
                "version": 1,
                "versionId": str(uuid.uuid4()),
                "createdAt": "2026-11-30T12:00:00",
                "createdBy": caller["id"],
                "updatedAt": "2026-11-30T12:00:00",
                "updatedBy": caller["id"],
            },
        }
        self.secrets.append(made)
        self.values[str(made["id"])] = secret["value"]
        owner = {"id": caller["id"], "type": "users", "attributes": {"role": "secret_owner"}}
        self.members[str(made["id"])] = [owner]
        return made

    def _members(  # noqa: C901, PLR0917 - one check per rule
        self,
        method: str,
        secret: str,
        kind: str,
        scopes: set[str],
        body: Any,
        where: str,
        query: dict[str, str],
    ) -> tuple[int, dict[str, Any]]:
        if secret not in self.members:
            raise NOT_FOUND
        if method == "GET":
            return 200, self._page(self.members[secret], query, where)
        if method != "POST":
            raise NOT_FOUND
        if "write:items:secrets" not in scopes:
            raise UNAUTHORIZED
        if self.refuse_members:
            raise FORBIDDEN
        data = body.get("data") if isinstance(body, dict) else None
        if not isinstance(data, dict):
            raise invalid("field required", "data", kind="value_error.missing")
        if data.get("type") != kind:
            raise invalid("unexpected value", "data", "type")
        facts = data.get("attributes") or {}
        if facts.get("role") not in MEMBER_ROLES:
            raise invalid("value is not a valid enumeration member", "data", "attributes", "role")
        if set(facts) - {"role", "message"}:
            raise invalid("extra fields not permitted", "data", "attributes")
        if kind == "users" and all(user["id"] != data.get("id") for user in self.users):
            raise NOT_FOUND
        member = {"id": data["id"], "type": kind, "attributes": {"role": facts["role"]}}
        self.members[secret].append(member)
        return 201, {"data": member}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    cerby: Cerby

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length)
        try:
            body = json.loads(raw) if raw else None
            status, answer = self.cerby.answer(self.command, self.path, self.headers.get("X-API-Key"), body)
        except ValueError:
            status, answer = 400, invalid("expecting value", "body").body()
        except Problem as problem:
            status, answer = problem.status, problem.body()
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = _serve  # noqa: N815 - names of the standard library

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving(cerby: Cerby, port: int = 0) -> Iterator[Cerby]:
    """Serve ``cerby`` on this machine; ``cerby.url`` is its address without ``/api/v1``."""
    handler = type("Handler", (_Handler,), {"cerby": cerby})
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    cerby.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield cerby
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
