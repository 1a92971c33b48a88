"""Secrets and vaults: the stored fields, and the text that is never stored."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from tests.sandbox.world import World, document, error_of, open_world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with open_world(tmp_path) as world:
        yield world


BODY = "sbx_a-secret-that-must-not-be-kept"


@pytest.fixture
def key(world: World) -> str:
    return world.key("read:items:secrets", "write:items:secrets", "read:vaults", owner="admin")


def create(world: World, key: str, **attributes):
    merged = {"title": "CI deploy", "category": "text", "body": BODY, **attributes}
    merged = {name: value for name, value in merged.items() if value is not ...}
    return world.call("POST", "secrets", key=key, json=document("secret", **merged))


def test_a_new_secret_is_answered_without_its_body(world, key):
    answer = create(world, key)
    assert answer.status_code == 201
    secret = answer.json()["data"]
    assert secret["type"] == "secret"
    assert secret["attributes"] == {
        "title": "CI deploy",
        "category": "text",
        "workspaceId": secret["attributes"]["workspaceId"],
        "workspaceName": "contenzilla",
        "vaultId": world.vault,
        "requiresIdentityChallenge": False,
        "version": 1,
        "status": "enabled",
        "createdAt": "2026-03-02T12:00:00.000000Z",
        "createdBy": world.people["admin"],
        "updatedAt": "2026-03-02T12:00:00.000000Z",
        "updatedBy": world.people["admin"],
    }
    assert world.get(f"secrets/{secret['id']}", key=key).json()["data"] == secret
    assert world.get("secrets?filter[category]=text", key=key).json()["data"] == [secret]
    assert world.get("secrets?filter[category]=server", key=key).json()["data"] == []


def test_only_digest_and_length_of_the_body_are_stored(world, key):
    create(world, key, body=BODY + "é")
    (kept,) = world.sandbox.secrets()
    assert kept["body_sha256"] == hashlib.sha256((BODY + "é").encode()).hexdigest()
    assert kept["body_length"] == len(BODY) + 1
    assert (kept["title"], kept["vault_id"]) == ("CI deploy", world.vault)
    for file in world.path.parent.glob("sandbox.sqlite3*"):
        assert BODY.encode() not in file.read_bytes()


def test_the_only_vault_is_the_default(world, key):
    assert create(world, key, vaultId=None).status_code == 201
    assert create(world, key, vaultId=world.vault).status_code == 201


def test_with_two_vaults_the_request_must_name_one(world, key):
    second = world.sandbox.add_vault("Automation")
    answer = create(world, key)
    error = error_of(answer)
    assert (answer.status_code, error["meta"]["loc"][-1]) == (400, "vaultId")
    assert "2" in error["meta"]["msg"]
    assert create(world, key, vaultId=second).json()["data"]["attributes"]["vaultId"] == second
    assert [kept["vault_id"] for kept in world.sandbox.secrets()] == [second]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("vaultId", "7d9a5d3e-9d5c-4b54-9a34-0d3e5a3d6d11"),
        ("vaultId", "Shared credentials"),
        ("title", ...),
        ("title", " "),
        ("title", "x" * 256),
        ("body", ...),
        ("body", ""),
        ("body", {"text": "x"}),
        ("category", ...),
        ("category", "server"),
        ("category", ["text"]),
        ("owner", "me"),
    ],
)
def test_an_invalid_secret_is_refused_with_a_reason(world, key, name, value):
    answer = create(world, key, **{name: value})
    assert answer.status_code == 400
    assert error_of(answer)["meta"]["loc"] == ["body", "data", "attributes", name]
    assert world.sandbox.secrets() == []


def test_vaults_are_listed_in_order_of_creation(world, key):
    names = ["Shared credentials", "Zebra", "Automation"]
    for name in names[1:]:
        world.sandbox.add_vault(name)
    vaults = world.get("vaults", key=key).json()["data"]
    assert [vault["attributes"]["name"] for vault in vaults] == names
    assert {vault["type"] for vault in vaults} == {"vault"}
