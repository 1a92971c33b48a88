"""A sandbox with one person per role and a clock that stands still, served over real HTTP."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import requests

from sandbox import Sandbox
from tests.sandbox.server import serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
API = "/api/v1/"
CAST = {
    "owner": "workspace_owner",
    "super-admin": "workspace_super_admin",
    "admin": "workspace_admin",
    "user": "workspace_user",
    "login-only": "workspace_login_only",
    "guest": "workspace_guest_user",
}
ADMINS = ("owner", "super-admin", "admin")
OTHERS = ("user", "login-only", "guest")
ALL_SCOPES = (
    "read:activities",
    "read:items",
    "read:items:accounts",
    "read:items:secrets",
    "read:users",
    "read:integrations",
    "write:integrations",
    "read:automations",
    "write:automations",
    "read:vaults",
    "read:teams",
    "write:items:accounts",
    "write:items:secrets",
    "write:users",
    "write:collections",
    "write:teams",
    "delete:teams",
)


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **amount: float) -> None:
        self.now += timedelta(**amount)


class World:
    def __init__(self, path: Path, session: requests.Session) -> None:
        self.path = path
        self.clock = Clock()
        self.sandbox = Sandbox(path, clock=self.clock)
        self.session = session
        self.url = ""
        self.people = {
            name: self.sandbox.add_person(
                email=email(name), first_name=name.title(), last_name="Example", role=role
            )
            for name, role in CAST.items()
        }
        self.vault = self.sandbox.add_vault("Shared credentials")
        self.records = {
            kind: self.sandbox.add_record(kind, {"name": f"An {kind}"})
            for kind in ("account", "team", "integration", "job")
        }

    def call(
        self, method: str, path: str, *, key: str = "", token: str = "", **more: Any
    ) -> requests.Response:
        headers = more.pop("headers", {})
        if key:
            headers = {"X-API-Key": key, **headers}
        if token:
            headers = {"Authorization": f"Bearer {token}", **headers}
        address = path if path.startswith("/") else API + path
        return self.session.request(method, self.url + address, headers=headers, timeout=10, **more)

    def get(self, path: str, **more: Any) -> requests.Response:
        return self.call("GET", path, **more)

    def token(self, name: str = "owner") -> str:
        return self.sandbox.issue_token(email(name))

    def key(self, *scopes: str, owner: str = "owner", **more: Any) -> str:
        times = {"created_at": self.clock.now, "expires_at": self.clock.now + timedelta(days=1), **more}
        _, plain_text = self.sandbox.add_key(owner_email=email(owner), name="A key", scopes=scopes, **times)
        return plain_text

    def issue(self, *, token: str = "", **attributes: Any) -> requests.Response:
        """POST /api-keys with valid attributes, replaced by ``attributes``; a value of ``...`` omits one."""
        merged = {"name": "New key", "scopes": ["read:users"], "expiresAt": "2026-03-03T12:00:00Z"}
        merged = {name: value for name, value in {**merged, **attributes}.items() if value is not ...}
        return self.call("POST", "api-keys", token=token or self.token(), json=document("api_key", **merged))

    def new_secret(self, **attributes: Any) -> dict[str, Any]:
        """Return Cerby's published example of a new secret; a value of ``...`` omits an attribute."""
        merged = {
            "vaultId": self.vault,
            "title": "CI deploy",
            "requiresIdentityChallenge": False,
            "body": {"type": "plaintext", "value": "A secret"},
            "category": "text",
            **attributes,
        }
        return {"data": {"attributes": {name: value for name, value in merged.items() if value is not ...}}}


def document(type_name: str, **attributes: Any) -> dict[str, Any]:
    return {"data": {"type": type_name, "attributes": attributes}}


def email(name: str) -> str:
    return f"{name}@contenzilla.example"


def error_of(response: requests.Response) -> dict[str, Any]:
    """Return the answer's only error after checking its shape."""
    assert response.headers["Content-Type"] == "application/json"
    (error,) = response.json()["errors"]
    assert set(error) == {"code", "title", "detail", "status", "meta"}
    assert error["title"] == error["code"]
    is_text = response.status_code in {400, 403}  # published
    assert error["status"] == (str(response.status_code) if is_text else response.status_code)
    if response.status_code == 400:
        assert set(error["meta"]) == {"loc", "msg", "type"}
        assert error["detail"] == error["meta"]["msg"]
    else:
        assert error["meta"] is None
    return error


@contextmanager
def open_world(path: Path) -> Iterator[World]:
    with requests.Session() as session:
        session.trust_env = False
        world = World(path / "sandbox.sqlite3", session)
        with serve(world.sandbox) as world.url:
            yield world
        world.sandbox.close()
