"""The journal, and the workspace's Python methods: snapshots, reset, people."""

from __future__ import annotations

import sqlite3
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import requests

from sandbox import Sandbox
from tests.sandbox.world import World, document, email, open_world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with open_world(tmp_path) as world:
        yield world


def test_every_request_is_in_the_journal(world):
    external_id = str(uuid.uuid4())
    made = world.issue(token=world.token("admin"), externalId=external_id).json()["data"]
    key_id, key = made["id"], made["attributes"]["key"]
    world.clock.advance(seconds=1)
    world.get("users?filter=a b&page[size]=5", key=key)
    world.get("vaults", key=key)
    world.get("vaults", key="sbx_unknown")
    world.get("nowhere")
    world.call("DELETE", f"api-keys/{key_id}", token=world.token("owner"))
    admin, owner = world.people["admin"], world.people["owner"]
    seen = [
        (entry["method"], entry["path"], entry["query"], entry["credential"], entry["person_id"],
         entry["key_id"], entry["external_id"], entry["status"])
        for entry in world.sandbox.journal()
    ]  # fmt: skip
    assert seen == [
        ("POST", "/api/v1/api-keys", "", "bearer", admin, None, external_id, 201),
        ("GET", "/api/v1/users", "filter=a b&page[size]=5", "api_key", admin, key_id, None, 200),
        ("GET", "/api/v1/vaults", "", "api_key", admin, key_id, None, 401),
        ("GET", "/api/v1/vaults", "", "api_key", None, None, None, 401),
        ("GET", "/api/v1/nowhere", "", None, None, None, None, 404),
        ("DELETE", f"/api/v1/api-keys/{key_id}", "", "bearer", owner, None, external_id, 204),
    ]
    assert world.sandbox.journal()[0]["at"] == "2026-03-02T12:00:00.000000Z"
    assert world.sandbox.journal()[1]["at"] == "2026-03-02T12:00:01.000000Z"


def test_a_refused_request_keeps_its_external_id(world):
    external_id = str(uuid.uuid4())
    world.issue(externalId=external_id, name="")
    assert [(entry["external_id"], entry["status"]) for entry in world.sandbox.journal()] == [
        (external_id, 400)
    ]


def test_the_journal_holds_no_secret(world):
    key, token = world.key("read:users", "read:items:secrets", "write:items:secrets"), world.token()
    secret_body = "sbx_" + "q" * 43
    world.get(f"users?filter={key}&filter[{token}]={token}", key=key)
    world.get("users?filter=" + key.replace("_", "%5F"), token=token)
    world.get(f"users/{key}", key=key)
    world.get(f"/{token}/x")
    body = {"type": "plaintext", "value": secret_body}
    assert world.call("POST", "secrets", key=key, json=world.new_secret(body=body)).ok
    text = repr(world.sandbox.journal())
    assert len(world.sandbox.journal()) == 5
    for secret in (key, token, secret_body):
        assert secret[4:] not in text
    assert "sbx_[redacted]" in text


def test_health_checks_are_not_in_the_journal(world):
    world.get("/healthz")
    assert world.sandbox.journal() == []


def test_restoring_a_snapshot_restores_everything(world):
    made = world.issue().json()["data"]
    before = (world.sandbox.snapshot(), world.sandbox.journal())
    token = world.token("admin")
    world.call("DELETE", f"api-keys/{made['id']}", token=token)
    world.sandbox.add_vault("Another")
    world.sandbox.restore(before[0])
    assert world.sandbox.journal() == before[1]
    assert world.get("users", key=made["attributes"]["key"]).ok
    assert world.get("users", token=token).status_code == 401
    assert len(world.get("vaults", token=world.token()).json()["data"]) == 1


def test_a_snapshot_can_be_restored_to_another_file(world, tmp_path):
    other = Sandbox(tmp_path / "other.sqlite3", clock=world.clock)
    token = world.token()
    other.restore(world.sandbox.snapshot())
    assert other.accepts(token)
    other.close()


def test_reset_leaves_an_empty_workspace(world):
    key, token = world.key("read:users"), world.token()
    world.get("users", key=key)
    world.sandbox.throttle.per_minute = 1
    world.sandbox.reset()
    assert world.sandbox.journal() == []
    assert world.get("users", key=key).status_code == 401
    assert not world.sandbox.accepts(token)
    world.sandbox.add_person(
        email=email("new"), first_name="N", last_name="N", role="workspace_owner", status="live"
    )
    users = world.get("users", token=world.token("new")).json()["data"]
    assert [user["attributes"]["email"] for user in users] == [email("new")]


def test_the_workspace_survives_a_restart(world):
    key = world.key("read:users")
    world.sandbox.close()
    again = Sandbox(world.path, clock=world.clock)
    assert again.accepts(key)
    again.close()


def test_a_wrong_person_is_refused(world):
    person = {"email": email("new"), "first_name": "N", "last_name": "N"}
    with pytest.raises(sqlite3.IntegrityError):
        world.sandbox.add_person(**person, role="workspace_owner")
    with pytest.raises(ValueError, match="tuple"):
        world.sandbox.add_person(**person, role="emperor")
    with pytest.raises(sqlite3.IntegrityError):
        world.sandbox.add_person(**person, role="workspace_user", status="asleep")
    with pytest.raises(sqlite3.IntegrityError):
        world.sandbox.add_person(**{**person, "email": "OWNER@contenzilla.example"}, role="workspace_user")
    with pytest.raises(LookupError):
        world.sandbox.set_person("nobody", status="live")
    with pytest.raises(LookupError):
        world.sandbox.issue_token("nobody@contenzilla.example")


def test_a_change_of_a_person_moves_updated_at(world):
    world.clock.advance(hours=1)
    world.sandbox.set_person(world.people["user"], role="workspace_guest_user")
    user = world.get(f"users/{world.people['user']}", token=world.token()).json()["data"]["attributes"]
    assert (user["role"], user["isGuest"], user["status"]) == ("workspace_guest_user", True, "live")
    assert [user[name][:19] for name in ("createdAt", "updatedAt")] == [
        "2026-03-02T12:00:00",
        "2026-03-02T13:00:00",
    ]


def test_only_one_of_many_concurrent_requests_gets_the_external_id(world):
    token, external_id = world.token(), str(uuid.uuid4())
    body = document(
        "api_key",
        name="Race",
        scopes=["read:users"],
        expiresAt="2027-01-01T00:00:00Z",
        externalId=external_id,
    )

    def post(_number: int) -> int:
        with requests.Session() as session:
            session.trust_env = False
            return session.post(
                f"{world.url}/api/v1/api-keys",
                json=body,
                headers={"Authorization": f"Bearer {token}"},
                timeout=10,
            ).status_code

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(post, range(24))) == [201] + [409] * 23
    assert len(world.sandbox.journal()) == 24
