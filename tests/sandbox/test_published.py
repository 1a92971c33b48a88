"""The attributes, members and times that Cerby publishes."""

from __future__ import annotations

import re
from datetime import timedelta
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


MADE = {"createdAt", "createdBy", "updatedAt", "updatedBy"}
TYPES = {
    "vaults": ("vault", {"name", "state", "scheme", "createdByType", "workspaceId"} | MADE - {"updatedBy"}),
    "accounts": ("account", {"label", "application", "provider", "status", "lastLoginDate"} | MADE),
    "teams": ("team", {"name", "type", "workspaceId", "vaultId"} | MADE),
    "integrations": ("account", {"label", "application", "provider", "status", "lastLoginDate"} | MADE),
}


@pytest.mark.parametrize("path", TYPES)
def test_the_type_and_attributes_of_each_list(world, path):
    (resource,) = world.get(path, token=world.token()).json()["data"]
    assert (resource["type"], set(resource["attributes"])) == TYPES[path]


def test_a_job_has_no_list_and_names_its_account(world):
    job = world.get(f"jobs/{world.records['job']}", token=world.token()).json()["data"]
    assert job["type"] == "job"
    assert set(job["attributes"]["account"]) == {"entity", "id", "name", "provider"}
    assert {"canRetry", "errorDetails", "workflowType", "status", "trigger"} <= set(job["attributes"])
    assert world.get("jobs", token=world.token()).status_code == 404


def test_vaults_are_disabled_or_local_or_usable(world):
    world.sandbox.add_vault("Old", state="disabled", scheme="akv")
    world.sandbox.add_vault("Laptop", scheme="local_encryption_key")
    vaults = [one["attributes"] for one in world.get("vaults", token=world.token()).json()["data"]]
    assert [(one["state"], one["scheme"]) for one in vaults] == [
        ("enabled", "kms_byo"),
        ("disabled", "akv"),
        ("enabled", "local_encryption_key"),
    ]
    assert world.get(f"vaults/{world.vault}", token=world.token()).status_code == 404


def test_only_own_accounts_are_visible(world):
    owned = world.sandbox.add_record("account", {"name": "Ads", "createdBy": world.people["user"]})
    token = world.token("user")
    (account,) = world.get("accounts", token=token).json()["data"]
    assert (account["id"], account["attributes"]["label"]) == (owned, "Ads")
    assert world.get(f"accounts/{owned}", token=token).ok
    assert world.get(f"accounts/{owned}/secrets", token=token).ok
    for path in ("", "/secrets"):
        assert world.get(f"accounts/{world.records['account']}{path}", token=token).status_code == 404


def test_an_account_has_one_secret_without_its_text(world):
    path = f"accounts/{world.records['account']}/secrets"
    (secret,) = world.get(path, token=world.token()).json()["data"]
    assert (secret["type"], secret["attributes"]["status"]) == ("secret", "active")
    assert "body" not in secret["attributes"]


def test_the_users_and_entitlements_of_an_integration(world):
    path = f"integrations/{world.records['integration']}"
    users = world.get(f"{path}/users", token=world.token("user")).json()
    assert users["meta"]["page"]["total"] == 6
    assert {user["type"] for user in users["data"]} == {"user"}
    entitlements = world.get(f"{path}/entitlements", token=world.token("user")).json()["data"]
    assert [one["attributes"]["name"] for one in entitlements] == ["Member", "Administrator"]


def test_mfa_is_shown_on_request_only(world):
    def shown(query: str) -> set[str]:
        users = world.get(f"users{query}", token=world.token()).json()["data"]
        return {repr(user["attributes"]["mfaStatus"]) for user in users}

    assert shown("") == shown("?mfaStatus=false") == {"None"}
    assert shown("?mfaStatus=true") == {repr({"mfaEnabled": False, "mfaEnrollmentDate": None})}


def make_secret(world: World, owner: str) -> str:
    key = world.key("read:items:secrets", "write:items:secrets", owner=owner)
    return world.call("POST", "secrets", key=key, json=world.new_secret()).json()["data"]["id"]


def share(world: World, secret: str, kind: str, member: str, *, by: str = "admin", **attributes):
    given = {"role": "secret_collaborator", "message": "For you", **attributes}
    body = {"data": {"id": member, "type": kind, "attributes": given}}
    key = world.key("write:items:secrets", owner=by)
    return world.call("POST", f"secrets/{secret}/members/{kind}", key=key, json=body)


def test_sharing_a_secret(world):
    secret = make_secret(world, "admin")
    assert share(world, secret, "users", world.people["user"]).status_code == 201
    assert share(world, secret, "teams", world.records["team"], role="secret_owner").status_code == 201
    members = world.get(f"secrets/{secret}/members/users", token=world.token()).json()["data"]
    assert [(one["id"], one["type"], one["attributes"]["role"]) for one in members] == [
        (world.people["admin"], "users", "secret_owner"),
        (world.people["user"], "users", "secret_collaborator"),
    ]
    teams = world.get(f"secrets/{secret}/members/teams", token=world.token()).json()["data"]
    assert [(one["id"], one["type"]) for one in teams] == [(world.records["team"], "teams")]


def test_an_owner_of_a_secret_may_share_it_but_a_collaborator_may_not(world):
    secret = make_secret(world, "admin")
    owner, collaborator = world.people["super-admin"], world.people["user"]
    assert share(world, secret, "users", owner, role="secret_owner").ok
    assert share(world, secret, "users", collaborator, by="super-admin").ok
    refused = share(world, secret, "users", world.people["guest"], by="user")
    assert (refused.status_code, error_of(refused)["code"]) == (403, "forbidden")
    assert share(world, secret, "users", collaborator).status_code == 409
    assert share(world, secret, "users", world.records["team"]).status_code == 404
    assert share(world, secret, "teams", collaborator).status_code == 404


@in_one_test(
    "change, loc",
    [
        ({"id": "x"}, ["data", "id"]),
        ({"type": "teams"}, ["data", "type"]),
        ({"attributes": {}}, ["data", "attributes", "role"]),
        ({"attributes": {"role": "owner"}}, ["data", "attributes", "role"]),
        ({"attributes": {"role": "secret_owner", "message": 1}}, ["data", "attributes", "message"]),
        ({"attributes": {"role": "secret_owner", "note": "x"}}, ["data", "attributes", "note"]),
    ],
)
def test_an_invalid_member_is_refused(world, change, loc):
    secret = make_secret(world, "admin")
    data = {"id": world.people["user"], "type": "users", "attributes": {"role": "secret_owner"}, **change}
    key = world.key("write:items:secrets", owner="admin")
    answer = world.call("POST", f"secrets/{secret}/members/users", key=key, json={"data": data})
    assert (answer.status_code, error_of(answer)["meta"]["loc"]) == (400, loc)


def test_times_come_in_every_published_form(world):
    world.clock.advance(microseconds=123_456)
    for number in range(60):
        world.sandbox.add_vault(f"Vault {number}")
    world.clock.advance(hours=1)
    vaults = world.get("vaults?page[size]=100&sort=-createdAt", token=world.token()).json()["data"]
    times = [vault["attributes"]["createdAt"] for vault in vaults[:60]]
    forms = {(len(fraction), offset) for fraction, offset in map(split, times)}
    assert forms == {(digits, offset) for digits in (0, 3, 6) for offset in ("", "+00:00")}
    assert {time[:19] for time in times} == {"2026-03-02T12:00:00"}
    again = world.get("vaults?page[size]=100&sort=-createdAt", token=world.token()).json()["data"]
    assert again == vaults


def split(time: str) -> tuple[str, str]:
    found = re.fullmatch(r"[\d-]{10}T[\d:]{8}(?:\.(\d+))?(\+00:00)?", time)
    assert found
    return found[1] or "", found[2] or ""


def test_the_times_of_keys_keep_our_contract(world):
    key = world.issue().json()["data"]["attributes"]
    assert key["createdAt"] == "2026-03-02T12:00:00.000000Z"


def test_last_activity_may_be_null(world):
    users = world.get("users", token=world.token()).json()["data"]
    assert {user["attributes"]["lastActivity"] for user in users} == {None}


def test_a_file_of_an_earlier_version_is_brought_up_to_date(world):
    with world.sandbox.store.transaction() as db:
        db.execute("UPDATE people SET role = 'workspace_guest' WHERE role = 'workspace_guest_user'")
        db.execute("ALTER TABLE people DROP COLUMN mfa_enrolled_at")
        db.execute("ALTER TABLE secrets DROP COLUMN expires_at")
    older = type(world.sandbox)(world.path, clock=world.clock)
    world.clock.advance(seconds=1)
    token = older.issue_token("owner@contenzilla.example", lifetime=timedelta(days=1))
    guest = world.get(f"users/{world.people['guest']}", token=token).json()["data"]["attributes"]
    assert guest["role"] == "workspace_guest_user"
    assert make_secret(world, "admin")
    older.close()
