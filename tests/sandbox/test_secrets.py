"""Secrets and vaults: the stored fields, and the text that is never stored."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from tests.sandbox.world import World, error_of, open_world
from tests.support.cases import in_one_test

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
    given = {"body": {"type": "plaintext", "value": BODY}, **attributes}
    return world.call("POST", "secrets", key=key, json=world.new_secret(**given))


def test_a_new_secret_is_answered_without_its_body(world, key):
    answer = create(world, key)
    assert answer.status_code == 201
    secret = answer.json()["data"]
    attributes = secret["attributes"]
    assert secret["type"] == "secret"
    assert attributes == {
        "title": "CI deploy",
        "category": "text",
        "status": "active",
        "eventName": None,
        "expiresAt": None,
        "workspaceId": attributes["workspaceId"],
        "workspaceName": "contenzilla",
        "requiresIdentityChallenge": False,
        "version": 1,
        "versionId": attributes["versionId"],
        "createdAt": attributes["createdAt"],
        "createdBy": world.people["admin"],
        "updatedAt": attributes["updatedAt"],
        "updatedBy": world.people["admin"],
    }
    assert world.get(f"secrets/{secret['id']}", key=key).json()["data"] == secret
    assert world.get("secrets?filter[category]=text", key=key).json()["data"] == [secret]
    assert world.get("secrets?filter[category]=server", key=key).json()["data"] == []


def test_a_secret_may_expire_and_require_a_challenge(world, key):
    for expiry in ("2027-01-31T08:00:00", "2027-01-31T08:00:00.000+00:00", "2027-01-31T09:00:00+01:00"):
        answer = create(world, key, expiresAt=expiry, requiresIdentityChallenge=True)
        assert answer.json()["data"]["attributes"]["requiresIdentityChallenge"] is True
    assert {one["expires_at"] for one in world.sandbox.secrets()} == {"2027-01-31T08:00:00.000000Z"}


def test_only_digest_and_length_of_the_body_are_stored(world, key):
    create(world, key, body={"type": "plaintext", "value": BODY + "é"})
    (kept,) = world.sandbox.secrets()
    assert kept["body_sha256"] == hashlib.sha256((BODY + "é").encode()).hexdigest()
    assert kept["body_length"] == len(BODY) + 1
    assert (kept["title"], kept["vault_id"]) == ("CI deploy", world.vault)
    for file in world.path.parent.glob("sandbox.sqlite3*"):
        assert BODY.encode() not in file.read_bytes()


@pytest.mark.parametrize(
    ("state", "scheme", "status"),
    [
        ("enabled", "kms_byo", 201),
        ("enabled", "akv", 201),
        ("disabled", "kms_byo", 400),
        ("enabled", "local_encryption_key", 400),
    ],
)
def test_only_an_enabled_cloud_vault_takes_a_secret(world, key, state, scheme, status):
    vault = world.sandbox.add_vault("Another", state=state, scheme=scheme)
    answer = create(world, key, vaultId=vault)
    assert answer.status_code == status
    if status == 400:
        assert error_of(answer)["meta"]["loc"] == ["data", "attributes", "vaultId"]
    assert len(world.sandbox.secrets()) == (status == 201)


@in_one_test(
    "name, value",
    [
        ("vaultId", ...),
        ("vaultId", None),
        ("vaultId", "7d9a5d3e-9d5c-4b54-9a34-0d3e5a3d6d11"),
        ("vaultId", "Shared credentials"),
        ("title", ...),
        ("title", " "),
        ("title", "x" * 256),
        ("requiresIdentityChallenge", ...),
        ("requiresIdentityChallenge", "false"),
        ("requiresIdentityChallenge", 0),
        ("body", ...),
        ("body", "x"),
        ("category", ...),
        ("category", "server"),
        ("category", ["text"]),
        ("expiresAt", None),
        ("expiresAt", "tomorrow"),
        ("owner", "me"),
    ],
)
def test_an_invalid_secret_is_refused_with_a_reason(world, key, name, value):
    answer = create(world, key, **{name: value})
    assert answer.status_code == 400
    assert error_of(answer)["meta"]["loc"] == ["data", "attributes", name]
    assert world.sandbox.secrets() == []


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({}, ["type"]),
        ({"type": "plaintext"}, ["value"]),
        ({"type": "plaintext", "value": ""}, ["value"]),
        ({"type": "json", "value": "x"}, ["type"]),
        ({"type": "plaintext", "value": "x", "note": "y"}, ["note"]),
    ],
)
def test_an_invalid_body_of_a_secret_is_refused(world, key, body, loc):
    answer = create(world, key, body=body)
    assert answer.status_code == 400
    assert error_of(answer)["meta"]["loc"] == ["data", "attributes", "body", *loc]


def test_the_published_sentence_for_a_missing_attribute(world, key):
    error = error_of(create(world, key, title=...))
    assert error["meta"] == {
        "loc": ["data", "attributes", "title"],
        "msg": "field required",
        "type": "value_error.missing",
    }


def test_vaults_are_listed_in_order_of_creation(world, key):
    names = ["Shared credentials", "Zebra", "Automation"]
    for name in names[1:]:
        world.sandbox.add_vault(name)
    vaults = world.get("vaults", key=key).json()["data"]
    assert [vault["attributes"]["name"] for vault in vaults] == names
    assert {vault["type"] for vault in vaults} == {"vault"}


def test_a_new_secret_has_no_type(world, key):
    body = world.new_secret()
    body["data"]["type"] = "secret"
    answer = world.call("POST", "secrets", key=key, json=body)
    assert (answer.status_code, error_of(answer)["meta"]["loc"]) == (400, ["data", "type"])
