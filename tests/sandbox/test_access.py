"""The credentials, scopes and roles that every endpoint accepts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.sandbox.world import ADMINS, ALL_SCOPES, OTHERS, World, document, email, error_of, open_world
from tests.support.cases import in_one_test

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with open_world(tmp_path) as world:
        yield world


# Each endpoint with its alternative sets of scopes, as Cerby publishes them.
ENDPOINTS = {
    "GET users": [{"read:users"}],
    "GET users/*": [{"read:users"}],
    "GET users/*/teams": [{"read:users"}, {"read:teams"}],
    "GET users/*/secrets": [{"read:items"}, {"read:items:secrets"}],
    "GET users/*/accounts": [{"read:items"}, {"read:items:accounts"}],
    "GET users/*/collections": [{"read:items"}],
    "GET vaults": [{"read:vaults"}],
    "GET secrets": [{"read:items"}, {"read:items:secrets"}],
    "GET secrets/*": [{"read:items"}, {"read:items:secrets"}],
    "POST secrets": [{"read:items:secrets", "write:items:secrets"}],
    "GET accounts": [{"read:items"}, {"read:items:accounts"}],
    "GET accounts/*": [{"read:items"}, {"read:items:accounts"}],
    "GET accounts/*/secrets": [{"read:items"}, {"read:items:accounts"}],
    "GET teams": [{"read:users"}, {"read:teams"}],
    "GET teams/*": [{"read:users"}, {"read:teams"}],
    "GET integrations": [{"read:integrations"}],
    "GET integrations/*": [{"read:integrations"}],
    "GET integrations/*/users": [{"read:integrations"}],
    "GET integrations/*/entitlements": [{"read:integrations"}],
    "GET secrets/*/members/users": [{"read:items"}, {"read:items:secrets"}],
    "GET secrets/*/members/teams": [{"read:items"}, {"read:items:secrets"}],
    "POST secrets/*/members/users": [{"write:items:secrets"}],
    "POST secrets/*/members/teams": [{"write:items:secrets"}],
    "GET jobs/*": [{"read:automations"}],
}
KEY_MANAGEMENT = ["POST api-keys", "GET api-keys", "GET api-keys/*", "PATCH api-keys/*", "DELETE api-keys/*"]


def call(world: World, endpoint: str, **credential: str):
    """Call the endpoint so that it succeeds if the credential is accepted."""
    method, _, path = endpoint.partition(" ")
    kind = path.partition("/")[0].removesuffix("s")
    body = None
    if path == "api-keys/*":
        target = world.issue().json()["data"]["id"]
    elif kind == "secret" and "*" in path:
        target = create_secret(world, token=world.token()).json()["data"]["id"]
    elif path.startswith("users/*"):
        target = world.people["user"]
    else:
        target = world.records.get(kind, "")
    if method == "PATCH":
        body = document("api_key", scopes=["read:items"])
    elif "members" in path and method == "POST":
        member = world.people["user"] if path.endswith("users") else world.records["team"]
        member_type, role = path.rpartition("/")[2], {"role": "secret_collaborator"}
        body = {"data": {"id": member, "type": member_type, "attributes": role}}
    elif endpoint == "POST secrets":
        return create_secret(world, **credential)
    elif endpoint == "POST api-keys":
        body = document("api_key", name="n", scopes=["read:users"], expiresAt="2027-01-01T00:00:00Z")
    return world.call(method, path.replace("*", target), json=body, **credential)


def create_secret(world: World, **credential: str):
    return world.call("POST", "secrets", json=world.new_secret(), **credential)


@in_one_test("endpoint", ENDPOINTS)
def test_each_endpoint_accepts_only_its_scopes(world, endpoint):
    enough = ENDPOINTS[endpoint]
    for scopes in enough:
        assert call(world, endpoint, key=world.key(*scopes)).ok
        for scope in scopes:
            without = world.key(*(set(ALL_SCOPES) - {scope}))
            if not any(other <= set(ALL_SCOPES) - {scope} for other in enough):
                assert call(world, endpoint, key=without).status_code == 401
    useless = [scope for scope in ALL_SCOPES if {scope} not in enough]
    for scope in useless:
        answer = call(world, endpoint, key=world.key(scope))
        assert (scope, answer.status_code, error_of(answer)["code"]) == (scope, 401, "unauthorized")


@in_one_test("endpoint", [*ENDPOINTS, *KEY_MANAGEMENT])
def test_every_endpoint_requires_a_credential(world, endpoint):
    answer = call(world, endpoint)
    error = error_of(answer)
    assert (answer.status_code, error["code"], error["status"]) == (401, "unauthorized", 401)


@in_one_test("endpoint", [*ENDPOINTS, *KEY_MANAGEMENT])
def test_a_bearer_token_acts_as_its_person_without_scopes(world, endpoint):
    assert call(world, endpoint, token=world.token("owner")).ok


@in_one_test("endpoint", KEY_MANAGEMENT)
def test_key_management_needs_the_bearer_token_of_an_admin(world, endpoint):
    for name in ADMINS:
        assert call(world, endpoint, token=world.token(name)).ok
    for name in OTHERS:
        answer = call(world, endpoint, token=world.token(name))
        assert (name, answer.status_code, error_of(answer)["code"]) == (name, 403, "forbidden")
    answer = call(world, endpoint, key=world.key(*ALL_SCOPES))
    assert (answer.status_code, error_of(answer)["status"]) == (403, "403")


@in_one_test(
    "endpoint",
    ["GET users", "GET users/*", "GET vaults", "GET teams", "GET teams/*", "GET jobs/*"],
)
def test_some_lists_are_for_admins_only(world, endpoint):
    scopes = ENDPOINTS[endpoint][0]
    for name in ADMINS:
        assert call(world, endpoint, key=world.key(*scopes, owner=name)).ok
    for name in OTHERS:
        answer = call(world, endpoint, key=world.key(*scopes, owner=name))
        assert (answer.status_code, error_of(answer)["status"]) == (403, "403")
        assert call(world, endpoint, token=world.token(name)).status_code == 403
        assert call(world, endpoint, key=world.key("read:activities", owner=name)).status_code == 401


def test_a_guest_admin_is_an_admin(world):
    world.sandbox.set_person(world.people["guest"], role="workspace_guest_admin")
    guest = world.get(f"users/{world.people['guest']}", token=world.token("guest"))
    assert guest.json()["data"]["attributes"]["isGuest"] is True


def test_a_key_acts_with_the_current_role_of_its_person(world):
    key = world.key("read:vaults", owner="admin")
    assert world.get("vaults", key=key).ok
    world.sandbox.set_person(world.people["admin"], role="workspace_user")
    assert world.get("vaults", key=key).status_code == 403


@in_one_test("name", ["X-API-Key", "x-api-key", "X-Api-KEY", "X-API-KEY"])
def test_the_header_name_is_not_case_sensitive(world, name):
    assert world.get("users", headers={name: world.key("read:users")}).ok


@in_one_test("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_is_not_case_sensitive(world, scheme):
    assert world.get("users", headers={"Authorization": f"{scheme} {world.token()}"}).ok


def test_an_unknown_credential_is_refused(world):
    assert world.get("users", key="sbx_" + "x" * 43).status_code == 401
    assert world.get("users", token="sbt_" + "x" * 43).status_code == 401
    assert world.get("users", headers={"Authorization": "Basic b3duZXI6"}).status_code == 401
    assert world.get("users", headers={"Authorization": "Bearer"}).status_code == 401


def test_a_key_is_not_accepted_as_a_token_nor_a_token_as_a_key(world):
    assert world.get("users", token=world.key("read:users")).status_code == 401
    assert world.get("users", key=world.token()).status_code == 401


def test_the_api_key_counts_if_both_are_sent(world):
    assert world.get("users", key="sbx_wrong", token=world.token()).status_code == 401


def test_a_token_expires(world):
    token = world.sandbox.issue_token(email("owner"))
    short = world.sandbox.issue_token(email("owner"), lifetime=world.clock.now - world.clock.now)
    assert world.get("users", token=short).status_code == 401
    world.clock.advance(days=3000)
    assert world.sandbox.accepts(token)
    assert world.get("users", token=token).ok
    world.clock.advance(days=1000)
    assert not world.sandbox.accepts(token)
    assert world.get("users", token=token).status_code == 401


@in_one_test("status", ["disabled", "pending"])
def test_all_credentials_of_a_person_who_is_not_live_are_refused(world, status):
    key, token = world.key("read:users", owner="admin"), world.token("admin")
    world.sandbox.set_person(world.people["admin"], status=status)
    assert world.get("users", key=key).status_code == 401
    assert world.get("users", token=token).status_code == 401
    world.sandbox.set_person(world.people["admin"], status="live")
    assert world.get("users", key=key).ok
    assert world.get("users", token=token).ok


@in_one_test("endpoint", [name for name in [*ENDPOINTS, *KEY_MANAGEMENT] if name.endswith("/*")])
def test_an_unknown_id_is_not_found(world, endpoint):
    method, _, path = endpoint.partition(" ")
    for target in ("7d9a5d3e-9d5c-4b54-9a34-0d3e5a3d6d11", "x", "a/b/c/d/e", "%00", "%ff"):
        answer = world.call(
            method, path.replace("*", target), token=world.token(), json=document("api_key", scopes=["x"])
        )
        error = error_of(answer)
        assert (answer.status_code, error["code"], error["status"]) == (404, "not_found", 404)


def test_health_needs_no_credential(world):
    answer = world.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert world.call("HEAD", "/healthz").status_code == 200
    assert world.call("POST", "/healthz").status_code == 405
