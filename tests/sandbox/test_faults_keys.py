"""Faults on keys: late writes, deletions that lie, and changes by someone else."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import requests

from tests.sandbox.faults import DELETE, EXTERNAL_ID, ISSUE, LIST, fault, last, listed, make_keys
from tests.sandbox.world import NOON, World, open_world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with open_world(tmp_path) as world:
        yield world


@pytest.mark.parametrize(
    ("name", "status", "is_live"),
    [
        ("delete-404-done", 404, False),
        ("delete-404-live", 404, True),
        ("delete-500-done", 500, False),
        ("delete-204-live", 204, True),
    ],
)
def test_the_answer_to_a_deletion_may_be_wrong(world, name, status, is_live):
    (key,) = make_keys(world, 1)
    fault(world, name, DELETE)
    assert world.call("DELETE", f"api-keys/{key}", token=world.token()).status_code == status
    assert world.sandbox.api_keys()[0]["status"] == ("active" if is_live else "removed")
    assert last(world) == (name, status, not is_live)


@pytest.mark.parametrize("seconds", [600, -600])
def test_the_clock_may_be_off(world, seconds):
    fault(world, "clock-off", ISSUE, seconds=seconds)
    created = world.issue().json()["data"]["attributes"]["createdAt"]
    assert datetime.fromisoformat(created) == NOON + timedelta(seconds=seconds)
    assert world.sandbox.journal()[-1]["at"] == "2026-03-02T12:00:00.000000Z"


def test_the_expiry_may_be_clamped(world):
    fault(world, "expiry-clamped", ISSUE)
    later = world.issue(expiresAt="2027-03-02T12:00:00Z").json()["data"]["attributes"]
    assert later["expiresAt"] == "2026-03-02T13:00:00.000000Z"
    sooner = world.issue(expiresAt="2026-03-02T12:30:00Z").json()["data"]["attributes"]
    assert sooner["expiresAt"] == "2026-03-02T12:30:00.000000Z"
    assert world.issue(expiresAt="soon").status_code == 400


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("key-removed", "status", "removed"),
        ("key-rescoped", "scopes", None),
        ("key-renamed", "name", "New key, renamed"),
        ("key-reowned", "email", None),
    ],
)
def test_a_key_is_changed_by_someone_else(world, name, field, value):
    spared = world.key("read:users")  # has no external id, so faults leave it alone
    key, other = make_keys(world, 2)
    before = {one["id"]: one[field] for one in world.sandbox.api_keys()}
    fault(world, name, count=1)
    world.get(f"api-keys/{key}", token=world.token())
    after = {one["id"]: one[field] for one in world.sandbox.api_keys()}
    assert after.pop(key) != before.pop(key)
    assert after == before
    assert world.sandbox.accepts(spared)
    if value:
        assert {one["id"]: one[field] for one in world.sandbox.api_keys()}[key] == value
    assert other in after


def test_a_key_can_vanish(world):
    (key,) = make_keys(world, 1)
    fault(world, "key-gone", LIST)
    assert listed(world) == []
    fault(world, "key-gone", "GET /api/v1/api-keys/*")
    assert world.get(f"api-keys/{key}", token=world.token()).status_code == 404


def test_change_key(world):
    (key,) = make_keys(world, 1)
    expires_at = datetime(2026, 4, 1, tzinfo=UTC)
    world.sandbox.change_key(
        key,
        name="Other",
        scopes=["read:teams"],
        owner_email="user@contenzilla.example",
        expires_at=expires_at,
    )
    changed = world.get(f"api-keys/{key}", token=world.token()).json()["data"]["attributes"]
    assert (changed["name"], changed["scopes"]) == ("Other", ["read:teams"])
    assert changed["ownerId"] == world.people["user"]
    assert changed["expiresAt"] == "2026-04-01T00:00:00.000000Z"
    world.sandbox.change_key(key, removed=True)
    assert (
        world.get(f"api-keys/{key}", token=world.token()).json()["data"]["attributes"]["status"] == "removed"
    )
    with pytest.raises(LookupError):
        world.sandbox.change_key(str(uuid.uuid4()), name="x")
    with pytest.raises(ValueError, match="no scope"):
        world.sandbox.change_key(key, scopes=["no:such"])


@pytest.mark.parametrize(("name", "delay"), [("commit-late", 15), ("commit-20-min-late", 1200)])
def test_a_write_that_is_carried_out_later(world, name, delay):
    fault(world, name, ISSUE, seconds=delay)
    with pytest.raises(requests.ConnectionError):
        world.issue(externalId=EXTERNAL_ID)
    assert last(world) == (name, 0, False)
    assert world.sandbox.journal()[-1]["external_id"] == EXTERNAL_ID
    world.clock.advance(seconds=delay - 1)
    assert listed(world) == []
    world.clock.advance(seconds=60)
    assert len(listed(world)) == 1
    (key,) = world.sandbox.api_keys()
    due = (NOON + timedelta(seconds=delay)).strftime("%Y-%m-%dT%H:%M:%S.000000Z")
    assert (key["external_id"], key["created_at"]) == (
        EXTERNAL_ID,
        due,
    )  # when it was due, not when it was noticed
    entry = next(one for one in world.sandbox.journal() if one["method"] == "POST")
    assert (entry["committed"], entry["committed_at"], entry["at"]) == (
        True,
        due,
        "2026-03-02T12:00:00.000000Z",
    )
    assert len([one for one in world.sandbox.journal() if one["method"] == "POST"]) == 1


def test_settle_carries_out_late_writes(world):
    fault(world, "commit-late", ISSUE, seed=3)
    for _ in range(5):
        with pytest.raises(requests.ConnectionError):
            world.issue()
    assert world.sandbox.settle(NOON) == 0
    assert world.sandbox.settle(NOON + timedelta(seconds=15)) == 5
    moments = [key["created_at"] for key in world.sandbox.api_keys()]
    assert len(set(moments)) == 5
    assert all("2026-03-02T12:00:00" < moment < "2026-03-02T12:00:15" for moment in moments)


def test_a_write_that_is_refused_is_not_carried_out_later(world):
    fault(world, "commit-late", ISSUE)
    with pytest.raises(requests.ConnectionError):
        world.issue(scopes=["no:such"])
    assert world.sandbox.settle(NOON + timedelta(days=1)) == 0
