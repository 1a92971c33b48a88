"""Lists: envelope, pages, filters and sorting."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

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


@pytest.fixture
def token(world: World) -> str:
    return world.token()


def names(response) -> list[str]:
    return [resource["attributes"]["name"] for resource in response.json()["data"]]


def labels(response) -> list[str]:
    return [resource["attributes"]["label"] for resource in response.json()["data"]]


def emails(response) -> list[str]:
    return [user["attributes"]["email"].partition("@")[0] for user in response.json()["data"]]


def test_the_lists_of_a_person_have_what_they_own_and_their_teams(world, token):
    sandbox, person = world.sandbox, world.people["user"]
    other = world.people["admin"]
    sandbox.add_record("account", {"name": "Ads", "createdBy": person})
    sandbox.add_record("collection", {"name": "Press", "createdBy": person})
    sandbox.add_record("collection", {"name": "Another's", "createdBy": other})
    sandbox.add_record("team", {"name": "Marketing", "members": [person]})
    key = world.key("read:items:secrets", "write:items:secrets", owner="user")
    made = world.call("POST", "secrets", json=world.new_secret(), key=key).json()["data"]["id"]
    assert labels(world.get(f"users/{person}/accounts", token=token)) == ["Ads"]
    assert names(world.get(f"users/{person}/collections", token=token)) == ["Press"]
    assert names(world.get(f"users/{person}/teams", token=token)) == ["Marketing"]
    assert [one["id"] for one in world.get(f"users/{person}/secrets", token=token).json()["data"]] == [made]
    assert world.get(f"users/{other}/secrets", token=token).json()["data"] == []
    assert world.get(f"users/{world.vault}/teams", token=token).status_code == 404


def test_a_list_has_data_links_and_meta(world, token):
    answer = world.get("users?page[size]=1&sort=email", token=token)
    assert answer.status_code == 200
    (user,) = answer.json()["data"]
    assert user == {
        "id": world.people["admin"],
        "type": "user",
        "attributes": {
            "firstName": "Admin",
            "lastName": "Example",
            "email": "admin@contenzilla.example",
            "status": "live",
            "role": "workspace_admin",
            "isGuest": False,
            "createdAt": user["attributes"]["createdAt"],
            "updatedAt": user["attributes"]["updatedAt"],
            "lastActivity": None,
            "mfaStatus": None,
        },
    }
    assert answer.json()["meta"] == {"page": {"maxSize": 100, "total": 6}}
    assert answer.json()["links"] == {
        "self": "/api/v1/users?sort=email&page%5Bnumber%5D=1&page%5Bsize%5D=1",
        "next": "/api/v1/users?sort=email&page%5Bnumber%5D=2&page%5Bsize%5D=1",
        "previous": None,
    }


def test_a_single_resource_is_an_object(world, token):
    user = world.get(f"users/{world.people['guest']}", token=token).json()
    assert user["data"]["attributes"]["isGuest"] is True
    assert user["links"] == {"self": f"/api/v1/users/{world.people['guest']}"}


def test_following_next_visits_every_resource_once(world, token):
    for number in range(7):
        world.sandbox.add_vault(f"Vault {number} & co, 100%")
    address, visited = "/api/v1/vaults?page[size]=3&sort=-name", []
    while address:
        page = world.get(address, token=token)
        visited += names(page)
        address = page.json()["links"]["next"]
    assert visited == sorted(visited, reverse=True)
    assert len(visited) == len(set(visited)) == 8


def test_previous_leads_back_with_the_filters(world, token):
    page = world.get("users?filter=ex ample&filter[status]=live,pending&page[number]=3", token=token).json()
    previous = urlsplit(page["links"]["previous"])
    assert page["data"] == []
    assert page["links"]["next"] is None
    assert " " not in previous.query
    assert "," not in previous.query
    assert parse_qs(previous.query) == {
        "filter": ["ex ample"],
        "filter[status]": ["live,pending"],
        "page[number]": ["1"],
        "page[size]": ["25"],
    }


def test_a_page_has_25_resources_by_default_and_100_at_most(world, token):
    for number in range(110):
        world.sandbox.add_vault(f"Vault {number}")
    assert len(names(world.get("vaults", token=token))) == 25
    assert len(names(world.get("vaults?page[size]=100", token=token))) == 100


@in_one_test(
    "query, found",
    [
        ("filter=SUPER", ["super-admin"]),
        ("filter=admin@", ["admin", "super-admin"]),
        ("filter=guest example", ["guest"]),
        ("filter=nobody", []),
        ("filter[status]=disabled", ["user"]),
        ("filter[status]=pending,disabled", ["login-only", "user"]),
        ("filter[isGuest]=true", ["guest"]),
        ("filter[isGuest]=false&filter=ow", ["owner"]),
    ],
)
def test_filters_of_users(world, token, query, found):
    world.sandbox.set_person(world.people["user"], status="disabled")
    world.sandbox.set_person(world.people["login-only"], status="pending")
    answer = world.get(f"users?sort=email&{query}", token=token)
    assert emails(answer) == found
    assert answer.json()["meta"]["page"]["total"] == len(found)


def test_filters_of_accounts(world, token):
    for name, application, status in [
        ("a", "LinkedIn", "enabled"),
        ("b", "LinkedIn", "disabled"),
        ("c", "YouTube", "enabled"),
    ]:
        world.sandbox.add_record("account", {"name": name, "application": application, "status": status})
    linked_in = "accounts?filter[application]=LinkedIn"
    assert labels(world.get(linked_in, token=token)) == ["a", "b"]
    assert labels(world.get(f"{linked_in}&filter[status]=enabled", token=token)) == ["a"]
    assert labels(world.get("accounts?filter[application]=YouTube,Gandi", token=token)) == ["c"]


def test_sorting_works_both_ways_ignores_case_and_puts_missing_values_first(world, token):
    for name in ("alpha", "Beta", "gamma"):
        world.issue(name=name, token=token)
    assert names(world.get("api-keys?sort=name", token=token)) == ["alpha", "Beta", "gamma"]
    assert names(world.get("api-keys?sort=-name", token=token)) == ["gamma", "Beta", "alpha"]
    world.key("read:users", last_used_at=world.clock.now)
    assert names(world.get("api-keys?sort=lastUsedAt", token=token)) == ["alpha", "Beta", "gamma", "A key"]


@in_one_test(
    "query, parameter",
    [
        ("page[size]=0", "page[size]"),
        ("page[size]=101", "page[size]"),
        ("page[size]=ten", "page[size]"),
        ("page[size]=-1", "page[size]"),
        ("page[number]=0", "page[number]"),
        ("page[number]=1.5", "page[number]"),
        ("page[number]=" + "9" * 5000, "page[number]"),
        ("page[number]=", "page[number]"),
        ("page[number]=1&page[number]=2", "page[number]"),
        ("sort=shoeSize", "sort"),
        ("sort=", "sort"),
        ("sort=email,firstName", "sort"),
        ("filter[shoeSize]=44", "filter[shoeSize]"),
        ("filter[status]=asleep", "filter[status]"),
        ("filter[status]=", "filter[status]"),
        ("filter[status]=live,", "filter[status]"),
        ("filter[isGuest]=yes", "filter[isGuest]"),
        ("filter[role]=workspace_owner", "filter[role]"),
        ("mfaStatus=1", "mfaStatus"),
        ("limit=5", "limit"),
    ],
)
def test_a_wrong_parameter_is_named(world, token, query, parameter):
    answer = world.get(f"users?{query}", token=token)
    error = error_of(answer)
    assert (answer.status_code, error["code"]) == (400, "validation_error")
    assert error["meta"]["loc"][0] == parameter


def test_the_place_of_a_wrong_value_in_a_list_is_named(world, token):
    error = error_of(world.get("users?filter[status]=live,asleep", token=token))
    assert error["meta"] == {
        "loc": ["filter[status]", 1],
        "msg": "value is not a valid enumeration member; permitted: 'disabled', 'live', 'pending'",
        "type": "type_error.enum",
    }


def test_the_plain_filter_is_for_users_only(world, token):
    assert error_of(world.get("teams?filter=IT", token=token))["meta"]["loc"] == ["filter"]


def test_a_filter_for_external_ids_needs_uuids(world, token):
    assert world.get("api-keys?filter[externalId]=abc", token=token).status_code == 400


def test_too_many_parameters_are_refused(world, token):
    query = "&".join(f"a{number}=1" for number in range(60))
    assert error_of(world.get(f"users?{query}", token=token))["meta"]["loc"] == ["query"]
