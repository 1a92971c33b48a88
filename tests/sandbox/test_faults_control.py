"""The control port, over HTTP."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest
import requests

from sandbox.faults.catalogue import CATALOGUE
from sandbox.faults.control import serve_control
from tests.sandbox.world import World, open_world
from tests.support.cases import in_one_test

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

RULE = {"route": "POST /api/v1/api-keys", "fault": "500-committed", "rate": 1.0, "count": 1, "seed": 7}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with open_world(tmp_path) as world:
        yield world


@pytest.fixture
def control(world: World) -> Iterator[Callable[..., requests.Response]]:
    with serve_control(world.sandbox, socket.create_server(("127.0.0.1", 0))) as url:

        def ask(method: str, path: str, given: Any = None, **headers: str) -> requests.Response:
            return world.session.request(method, url + path, json=given, headers=headers, timeout=10)

        yield ask


def test_faults_are_set_listed_and_cleared(world, control):
    (told,) = control("PUT", "/faults", [RULE]).json()["rules"]
    assert told == {**RULE, "after": 0, "seen": 0, "fired": {}}
    assert world.issue().status_code == 500
    assert world.issue().status_code == 201
    assert control("GET", "/faults").json() == {
        "rules": [{**told, "seen": 1, "fired": {"500-committed": 1}}],
        "fired": {"500-committed": 1},
    }
    assert control("DELETE", "/faults").json() == {"rules": []}
    assert control("GET", "/faults").json() == {"rules": [], "fired": {}}


def test_a_seed_is_drawn_and_returned(control):
    (told,) = control("PUT", "/faults", [{"fault": "404"}]).json()["rules"]
    assert isinstance(told["seed"], int)


def test_the_catalogue(control):
    entries = control("GET", "/faults/catalogue").json()
    assert [entry["fault"] for entry in entries] == list(CATALOGUE)
    assert {"fault": "slow-bytes", "options": {"seconds": 1.0}, "on": ["*"]}.items() <= next(
        entry for entry in entries if entry["fault"] == "slow-bytes"
    ).items()


def test_the_journal_and_the_keys_can_be_read(world, control):
    control("PUT", "/faults", [RULE])
    world.issue(externalId="7d9a5d3e-9d5c-4b54-9a34-0d3e5a3d6d11")
    assert control("GET", "/journal").json() == world.sandbox.journal()
    assert control("GET", "/keys").json() == world.sandbox.api_keys()
    assert len(world.sandbox.api_keys()) == 1


def test_a_key_is_changed_behind_the_portals_back(world, control):
    key = world.issue().json()["data"]["id"]
    change = {
        "name": "Other",
        "scopes": ["read:teams"],
        "ownerEmail": "user@contenzilla.example",
        "expiresAt": "2026-04-01T00:00:00Z",
    }
    (changed,) = control("POST", f"/keys/{key}", change).json()["keys"]
    assert (changed["name"], changed["scopes"]) == ("Other", "read:teams")
    assert changed["owner_id"] == world.people["user"]
    assert changed["expires_at"] == "2026-04-01T00:00:00.000000Z"
    assert control("POST", f"/keys/{key}", {"removed": True}).json()["keys"][0]["status"] == "removed"
    assert control("POST", f"/keys/{key}", {"gone": True}).json() == {"keys": []}
    assert control("POST", f"/keys/{key}", {"gone": True}).status_code == 404


def test_setting_the_clock_carries_out_late_writes(world, control):
    control("PUT", "/faults", [{"fault": "commit-20-min-late", "count": 1}])
    with pytest.raises(requests.ConnectionError):
        world.issue()
    turned = control("POST", "/clock", {"offset": 1199}).json()
    assert turned == {"offset": 1199, "now": "2026-03-02T12:19:59+00:00", "settled": 0}
    assert control("POST", "/clock", {"offset": 1200}).json()["settled"] == 1
    assert len(world.sandbox.api_keys()) == 1


@in_one_test(
    "method, path, given, status",
    [
        ("GET", "/no-such", None, 404),
        ("PUT", "/journal", [], 404),
        ("PUT", "/faults", [{"fault": "no-such"}], 400),
        ("PUT", "/faults", {"fault": "404"}, 400),
        ("PUT", "/faults", 3, 400),
        ("POST", "/clock", {"offset": "x"}, 400),
        ("POST", "/clock", {}, 400),
        ("POST", "/clock", [], 400),
        ("POST", "/keys/x", {"name": "x"}, 404),
        ("POST", "/keys/x", {"colour": "x"}, 400),
        ("POST", "/keys/x", [], 400),
    ],
)
def test_a_wrong_call_is_refused_with_a_reason(control, method, path, given, status):
    answer = control(method, path, given)
    assert answer.status_code == status
    assert answer.json()["error"]


def test_web_pages_of_other_sites_are_refused(control):
    assert control("GET", "/faults", Host="evil.example").status_code == 400
    plain = control("PUT", "/faults", [{"fault": "404"}], **{"Content-Type": "text/plain"})
    assert plain.status_code == 400
    assert control("GET", "/faults").json()["rules"] == []
