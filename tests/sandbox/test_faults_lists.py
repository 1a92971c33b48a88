"""Faults on lists: stale lists, and pages that are missing, doubled or shuffled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.sandbox.faults import LIST, fault, listed, make_keys
from tests.sandbox.world import World, open_world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with open_world(tmp_path) as world:
        yield world


def test_a_stale_list_shows_keys_as_they_were(world):
    old, removed, rescoped, gone = make_keys(world, 4)
    token = world.token()
    assert world.call("DELETE", f"api-keys/{removed}", token=token).status_code == 204
    body = {"data": {"type": "api_key", "attributes": {"scopes": ["read:teams"]}}}
    assert world.call("PATCH", f"api-keys/{rescoped}", token=token, json=body).ok
    world.sandbox.change_key(gone, gone=True)
    (new,) = make_keys(world, 1)  # and advances the clock by a minute
    world.clock.advance(seconds=-40)  # 20 seconds after those changes
    fault(world, "list-stale", LIST)
    stale = {key["id"]: key["attributes"] for key in world.get("api-keys", token=token).json()["data"]}
    assert list(stale) == [old, removed, rescoped, gone]
    assert {one["status"] for one in stale.values()} == {"active"}
    assert stale[rescoped]["scopes"] == ["read:users"]
    assert world.get("api-keys?filter[status]=removed", token=token).json()["data"] == []
    world.clock.advance(seconds=11)  # 31 seconds after
    caught_up = world.get("api-keys", token=token).json()["data"]
    assert [(one["id"], one["attributes"]["status"]) for one in caught_up] == [
        (old, "active"),
        (removed, "removed"),
        (rescoped, "active"),
        (new, "active"),
    ]
    assert caught_up[2]["attributes"]["scopes"] == ["read:teams"]


def test_other_lists_can_be_stale_too(world):
    world.clock.advance(hours=1)
    world.sandbox.add_vault("New")
    fault(world, "list-stale", "GET /api/v1/vaults")
    assert len(world.get("vaults", token=world.token()).json()["data"]) == 1
    world.clock.advance(seconds=30)
    assert len(world.get("vaults", token=world.token()).json()["data"]) == 2


def test_a_list_without_one_of_its_pages(world):
    keys = make_keys(world, 6)
    fault(world, "list-page-missing", LIST, seed=2, count=1)
    first = world.get("api-keys?page[size]=6", token=world.token()).json()
    assert (first["data"], first["meta"]["page"]["total"]) == ([], 6)
    fault(world, "list-page-missing", LIST, seed=2)
    pages = [listed(world, f"page[size]=2&page[number]={number}") for number in (1, 2, 3)]
    assert pages != [keys[:2], keys[2:4], keys[4:]]


def test_a_list_with_every_page_twice(world):
    keys = make_keys(world, 4)
    fault(world, "list-pages-doubled", LIST)
    pages = [listed(world, f"page[size]=2&page[number]={number}") for number in (1, 2, 3, 4)]
    assert pages == [keys[:2], keys[:2], keys[2:], keys[2:]]


def test_a_list_in_another_order_each_time(world):
    keys = make_keys(world, 6)
    fault(world, "list-shuffled", LIST, seed=1)
    orders = [listed(world) for _ in range(4)]
    assert all(sorted(order) == sorted(keys) for order in orders)
    assert len({tuple(order) for order in orders}) > 2
    fault(world, "list-shuffled", LIST, seed=1)
    assert [listed(world) for _ in range(4)] == orders
