"""The life cycle of an API key: issue, use, change of scopes, expiry, deletion."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.sandbox.world import ADMINS, CAST, World, document, error_of, open_world
from tests.support.cases import in_one_test

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with open_world(tmp_path) as world:
        yield world


UNKNOWN = "7d9a5d3e-9d5c-4b54-9a34-0d3e5a3d6d11"


def attributes(response):
    return response.json()["data"]["attributes"]


def statuses(world: World, query: str) -> list[str]:
    found = world.get(f"api-keys?sort=createdAt&{query}", token=world.token()).json()["data"]
    return [key["attributes"]["status"] for key in found]


def test_a_new_key_is_answered_in_full(world):
    external_id = str(uuid.uuid4())
    answer = world.issue(
        token=world.token("admin"),
        name="CI deploy",
        scopes=["read:users", "read:vaults"],
        expiresAt="2026-03-02T14:30:00+02:00",
        externalId=external_id.upper(),
    )
    assert answer.status_code == 201
    key = attributes(answer)
    assert re.fullmatch(r"sbx_[A-Za-z0-9_-]{43}", key.pop("key"))
    assert key == {
        "name": "CI deploy",
        "scopes": ["read:users", "read:vaults"],
        "status": "active",
        "ownerId": world.people["admin"],
        "ownerEmail": "admin@contenzilla.example",
        "createdAt": "2026-03-02T12:00:00.000000Z",
        "expiresAt": "2026-03-02T12:30:00.000000Z",
        "lastUsedAt": None,
        "removedAt": None,
        "externalId": external_id,
    }
    data = answer.json()["data"]
    assert data["type"] == "api_key"
    assert answer.json()["links"]["self"] == f"/api/v1/api-keys/{data['id']}"


def test_a_key_works_from_its_creation_to_its_expiry(world):
    key = attributes(world.issue(expiresAt="2026-03-02T13:00:00Z"))["key"]
    assert world.sandbox.accepts(key)
    assert world.get("users", key=key).ok
    world.clock.advance(minutes=59, seconds=59, microseconds=999_999)
    assert world.get("users", key=key).ok
    world.clock.advance(microseconds=1)
    assert world.get("users", key=key).status_code == 401
    assert not world.sandbox.accepts(key)
    assert statuses(world, "filter[status]=expired") == ["expired"]


def test_deleting_stops_a_key_at_once(world):
    made = world.issue().json()["data"]
    address, key = f"api-keys/{made['id']}", made["attributes"]["key"]
    assert world.get("users", key=key).ok
    answer = world.call("DELETE", address, token=world.token("admin"))
    assert (answer.status_code, answer.content) == (204, b"")
    assert world.get("users", key=key).status_code == 401
    removed = attributes(world.get(address, token=world.token()))
    assert (removed["status"], removed["removedAt"]) == ("removed", "2026-03-02T12:00:00.000000Z")


def test_a_removed_key_cannot_be_deleted_again(world):
    address = f"api-keys/{world.issue().json()['data']['id']}"
    assert world.call("DELETE", address, token=world.token()).status_code == 204
    world.clock.advance(hours=1)
    assert world.call("DELETE", address, token=world.token()).status_code == 404
    assert attributes(world.get(address, token=world.token()))["removedAt"].startswith("2026-03-02T12:00")


def test_an_expired_key_can_be_deleted(world):
    address = f"api-keys/{world.issue().json()['data']['id']}"
    world.clock.advance(days=2)
    assert world.call("DELETE", address, token=world.token()).status_code == 204
    assert statuses(world, "") == ["removed"]


def test_new_scopes_take_effect_at_once(world):
    made = world.issue(scopes=["read:users", "read:vaults"]).json()["data"]
    key, address = made["attributes"]["key"], f"api-keys/{made['id']}"
    answer = world.call(
        "PATCH", address, token=world.token(), json=document("api_key", scopes=["read:integrations"])
    )
    assert answer.status_code == 200
    assert attributes(answer)["scopes"] == ["read:integrations"]
    assert world.get("users", key=key).status_code == 401
    assert world.get("integrations", key=key).ok


@pytest.mark.parametrize("end", ["expired", "removed"])
def test_the_scopes_of_an_inactive_key_cannot_be_changed(world, end):
    address = f"api-keys/{world.issue().json()['data']['id']}"
    if end == "removed":
        world.call("DELETE", address, token=world.token())
    else:
        world.clock.advance(days=2)
    body = document("api_key", scopes=["read:items"])
    answer = world.call("PATCH", address, token=world.token(), json=body)
    error = error_of(answer)
    assert (answer.status_code, error["code"], error["status"]) == (409, "conflict", 409)
    assert end in error["detail"]
    assert attributes(world.get(address, token=world.token()))["scopes"] == ["read:users"]


def test_only_scopes_can_be_changed(world):
    address = f"api-keys/{world.issue().json()['data']['id']}"
    body = document("api_key", scopes=["read:items"], name="Another name")
    answer = world.call("PATCH", address, token=world.token(), json=body)
    assert error_of(answer)["meta"]["loc"] == ["data", "attributes", "name"]


def test_an_external_id_is_used_once_even_after_removal(world):
    external_id = str(uuid.uuid4())
    made = world.issue(externalId=external_id).json()["data"]
    assert world.issue(externalId=external_id).status_code == 409
    world.call("DELETE", f"api-keys/{made['id']}", token=world.token())
    assert world.issue(externalId=external_id).status_code == 409
    assert statuses(world, "") == ["removed"]


def test_a_key_can_be_found_by_its_external_id(world):
    external_id = str(uuid.uuid4())
    made = world.issue(externalId=external_id).json()["data"]
    world.issue(externalId=str(uuid.uuid4()))
    world.issue(externalId=None)
    found = world.get(f"api-keys?filter[externalId]={external_id.upper()}", token=world.token()).json()
    assert [key["id"] for key in found["data"]] == [made["id"]]


def test_keys_are_filtered_by_status(world):
    world.issue(name="short", expiresAt="2026-03-02T12:30:00Z")
    removed = world.issue(name="removed").json()["data"]["id"]
    world.issue(name="active")
    world.call("DELETE", f"api-keys/{removed}", token=world.token())
    world.clock.advance(hours=1)
    assert statuses(world, "filter[status]=active") == ["active"]
    assert statuses(world, "filter[status]=expired,removed") == ["expired", "removed"]
    assert len(statuses(world, "")) == 3


def test_last_used_is_the_time_of_the_last_request(world):
    made = world.issue().json()["data"]
    world.clock.advance(minutes=10)
    world.get("users", key=made["attributes"]["key"])
    assert attributes(world.get(f"api-keys/{made['id']}", token=world.token()))["lastUsedAt"] == (
        "2026-03-02T12:10:00.000000Z"
    )


def test_a_refused_request_with_a_removed_key_does_not_count_as_use(world):
    made = world.issue().json()["data"]
    world.call("DELETE", f"api-keys/{made['id']}", token=world.token())
    world.get("users", key=made["attributes"]["key"])
    assert attributes(world.get(f"api-keys/{made['id']}", token=world.token()))["lastUsedAt"] is None


def test_the_plain_text_is_shown_once_and_not_stored(world):
    made = world.issue().json()["data"]
    key, token = made["attributes"]["key"], world.token()
    world.get("users", key=key)
    world.get(f"users?filter={key}", key=key)
    later = [
        world.get("api-keys", token=token),
        world.get(f"api-keys/{made['id']}", token=token),
        world.call(
            "PATCH", f"api-keys/{made['id']}", token=token, json=document("api_key", scopes=["read:items"])
        ),
    ]
    for answer in later:
        assert answer.ok
        assert key not in answer.text
        assert '"key"' not in answer.text
    files = list(world.path.parent.glob("sandbox.sqlite3*"))
    kept = b"".join(file.read_bytes() for file in files)
    assert world.path.with_name("sandbox.sqlite3-wal") in files
    assert made["id"].encode() in kept
    for secret in (key, token, key[4:]):
        assert secret.encode() not in kept


def test_a_key_acts_as_the_bearer_by_default(world):
    assert attributes(world.issue(token=world.token("super-admin")))["ownerId"] == world.people["super-admin"]
    for_user = world.issue(token=world.token("admin"), ownerId=world.people["user"])
    assert attributes(for_user)["ownerEmail"] == "user@contenzilla.example"


@pytest.mark.parametrize("bearer", ADMINS)
@pytest.mark.parametrize("owner", CAST)
def test_a_key_cannot_act_as_a_person_with_a_higher_role(world, bearer, owner):
    ranks = list(CAST)  # highest first
    answer = world.issue(token=world.token(bearer), ownerId=world.people[owner])
    if ranks.index(owner) < ranks.index(bearer):
        assert (answer.status_code, error_of(answer)["code"]) == (403, "forbidden")
        assert statuses(world, "") == []
    else:
        assert answer.status_code == 201


def test_a_key_cannot_act_as_a_person_who_is_unknown_or_not_live(world):
    world.sandbox.set_person(world.people["user"], status="disabled")
    for owner in (UNKNOWN, world.people["user"]):
        error = error_of(world.issue(ownerId=owner))
        assert error["meta"]["loc"] == ["data", "attributes", "ownerId"]


@in_one_test(
    "name, value",
    [
        ("name", ...),
        ("name", ""),
        ("name", " \t\n"),
        ("name", 7),
        ("name", "x" * 256),
        ("scopes", ...),
        ("scopes", []),
        ("scopes", "read:users"),
        ("scopes", ["read:users", "read:minds"]),
        ("scopes", ["read:users", "read:users"]),
        ("scopes", [["read:users"]]),
        ("expiresAt", ...),
        ("expiresAt", "2026-03-02T12:00:00Z"),
        ("expiresAt", "2026-03-02T11:59:59Z"),
        ("expiresAt", "2026-03-03T12:00:00"),
        ("expiresAt", "tomorrow"),
        ("expiresAt", 1_800_000_000),
        ("expiresAt", "9999-12-31T23:59:59-12:00"),
        ("ownerId", "owner@contenzilla.example"),
        ("ownerId", 1),
        ("externalId", "123"),
        ("externalId", ["7d9a5d3e-9d5c-4b54-9a34-0d3e5a3d6d11"]),
        ("surprise", True),
        ("key", "sbx_chosen"),
    ],
)
def test_an_invalid_key_request_is_refused_with_a_reason(world, name, value):
    answer = world.issue(**{name: value})
    error = error_of(answer)
    assert (answer.status_code, error["code"], error["status"]) == (400, "validation_error", "400")
    assert error["meta"]["loc"] == ["data", "attributes", name]
    assert error["meta"]["msg"]
    assert (error["meta"]["type"] == "value_error.missing") == (value is ...)
    assert statuses(world, "") == []


def test_a_far_expiry_and_the_longest_name_are_accepted(world):
    answer = world.issue(name="é" * 255, expiresAt="9999-12-31T23:59:59Z")
    assert answer.status_code == 201
    assert attributes(answer)["name"] == "é" * 255


def test_keys_from_python_work_like_issued_ones(world):
    key = world.key("read:items", owner="user")
    assert world.get("accounts", key=key).ok
    with pytest.raises(ValueError, match="read:minds"):
        world.key("read:minds")
    with pytest.raises(LookupError, match="nobody@"):
        world.key("read:users", owner="nobody")
    with pytest.raises(ValueError, match="time zone"):
        world.key("read:users", created_at=(world.clock.now - timedelta(days=1)).replace(tzinfo=None))
