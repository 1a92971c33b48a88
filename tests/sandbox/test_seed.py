"""The demo workspace: plausible, the same every time, with keys in every state."""

from __future__ import annotations

import uuid
from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import requests

from sandbox import Sandbox
from sandbox.seed import OWNER, seed_demo
from tests.sandbox.server import serve
from tests.sandbox.world import CAST, NOON, Clock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def listed(sandbox: Sandbox, resource: str) -> list[dict]:
    """Return every resource of the kind, read through the API."""
    with serve(sandbox) as url, requests.Session() as session:
        session.trust_env = False
        headers = {"Authorization": f"Bearer {sandbox.issue_token(OWNER)}"}
        answer = session.get(f"{url}/api/v1/{resource}?page[size]=100", headers=headers, timeout=10)
        data = answer.json()["data"]
        assert len(data) == answer.json()["meta"]["page"]["total"]
        return data


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Sandbox]:
    sandbox = Sandbox(tmp_path / "demo.sqlite3", clock=Clock())
    seed_demo(sandbox)
    yield sandbox
    sandbox.close()


@pytest.fixture
def keys(demo: Sandbox) -> list[dict]:
    return [key["attributes"] for key in listed(demo, "api-keys")]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_there_are_people_of_every_role_and_status(demo):
    people = [person["attributes"] for person in listed(demo, "users")]
    roles = {person["email"]: person["role"] for person in people}
    for name, role in CAST.items():
        assert roles[f"{name}@contenzilla.example"] == role
    counts = Counter(person["role"] for person in people)
    assert len(people) == 18
    assert counts["workspace_owner"] == 1
    assert set(counts) == set(CAST.values())
    statuses = {person["email"]: person["status"] for person in people}
    assert statuses["former.admin@contenzilla.example"] == "disabled"
    assert Counter(statuses.values()) == {"live": 16, "disabled": 1, "pending": 1}


def test_there_are_keys_in_every_state(keys):
    def expiring(days: int) -> int:
        limit = NOON + timedelta(days=days)
        return sum(key["status"] == "active" and moment(key["expiresAt"]) < limit for key in keys)

    active = [key for key in keys if key["status"] == "active"]
    used = [moment(key["lastUsedAt"]) for key in active if key["lastUsedAt"]]
    counts = Counter(key["status"] for key in keys)
    assert 60 <= len(keys) <= 75
    assert counts["active"] >= 40
    assert counts["expired"] >= 5
    assert counts["removed"] >= 5
    assert expiring(7) >= 4
    assert expiring(30) >= expiring(7) + 4
    assert len(active) - len(used) >= 4
    assert sum(last < NOON - timedelta(days=90) for last in used) >= 4
    assert len({key["name"] for key in keys}) == len(keys)
    assert len({key["ownerEmail"] for key in keys}) >= 8
    assert len({tuple(key["scopes"]) for key in keys}) >= 8


def test_the_times_of_a_key_are_in_order(keys):
    for key in keys:
        created, expires = moment(key["createdAt"]), moment(key["expiresAt"])
        end = min(expires, moment(key["removedAt"]) if key["removedAt"] else NOON, NOON)
        assert created < min(expires, NOON), key["name"]
        assert created < end, key["name"]
        if key["lastUsedAt"]:
            assert created <= moment(key["lastUsedAt"]) <= end, key["name"]


def test_most_keys_have_an_external_id(keys):
    external_ids = [key["externalId"] for key in keys if key["externalId"]]
    assert 45 <= len(external_ids) < len(keys)
    assert [str(uuid.UUID(external_id)) for external_id in external_ids] == external_ids


def test_no_key_is_older_than_its_owner(demo, keys):
    joined = {
        person["attributes"]["email"]: person["attributes"]["createdAt"] for person in listed(demo, "users")
    }
    for key in keys:
        assert joined[key["ownerEmail"]] < key["createdAt"], key["name"]


@pytest.mark.parametrize(
    ("vaults", "names"), [(1, ["Shared credentials"]), (2, ["Shared credentials", "Automation"])]
)
def test_the_number_of_vaults(tmp_path, vaults, names):
    sandbox = Sandbox(tmp_path / "demo.sqlite3", clock=Clock())
    seed_demo(sandbox, vaults=vaults)
    found = [vault["attributes"] for vault in listed(sandbox, "vaults")]
    assert [vault["name"] for vault in found[:-2]] == names
    assert [(vault["state"], vault["scheme"]) for vault in found[-2:]] == [
        ("disabled", "akv"),
        ("enabled", "local_encryption_key"),
    ]
    sandbox.close()


@pytest.mark.parametrize("resource", ["accounts", "secrets", "teams", "integrations"])
def test_there_are_some_records_of_every_kind(demo, resource):
    assert len(listed(demo, resource)) >= 3


def test_seeding_is_deterministic_and_done_once(demo, tmp_path):
    other = Sandbox(tmp_path / "other.sqlite3", clock=Clock())
    seed_demo(other)
    for resource in ("users", "api-keys", "vaults", "accounts", "teams", "integrations"):
        assert listed(demo, resource) == listed(other, resource)
    other.close()
    vault = listed(demo, "vaults")[0]["id"]
    demo.add_vault("Third")
    seed_demo(demo, vaults=1)
    assert [len(listed(demo, "vaults")), listed(demo, "vaults")[0]["id"]] == [5, vault]
    assert len(listed(demo, "users")) == 18


def test_keys_are_made_and_removed_at_work_but_for_the_last_two_days(keys):
    moments = [key[name] for key in keys for name in ("createdAt", "removedAt") if key[name]]
    earlier = [moment(text) for text in moments if moment(text) < NOON - timedelta(days=3)]
    assert len(earlier) > 60
    assert {at.weekday() for at in earlier} <= {0, 1, 2, 3, 4}
    assert {at.hour for at in earlier} <= set(range(8, 17))
