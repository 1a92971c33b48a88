"""What the sandbox answers when it is told to misbehave, over a real socket."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import pytest
import requests

from tests.cerby.sandbox_world import NOON, World, error_of, open_world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ISSUE = "POST /api/v1/api-keys"
DELETE = "DELETE /api/v1/api-keys/*"
LIST = "GET /api/v1/api-keys"
EXTERNAL_ID = "7d9a5d3e-9d5c-4b54-9a34-0d3e5a3d6d11"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with open_world(tmp_path) as world:
        yield world


def fault(world: World, name: str, route: str = "*", **more: object) -> None:
    world.sandbox.faults.set([{"fault": name, "route": route, **more}])


def external_ids(world: World) -> list[str]:
    return [key["external_id"] for key in world.sandbox.api_keys()]


def last(world: World) -> tuple[str | None, int, bool]:
    entry = world.sandbox.journal()[-1]
    return entry["fault"], entry["status"], entry["committed"]


def make_keys(world: World, count: int) -> list[str]:
    """The ids of keys that were made a minute apart, oldest first."""
    made = []
    for _ in range(count):
        made.append(world.issue(externalId=str(uuid.uuid4())).json()["data"]["id"])
        world.clock.advance(seconds=60)
    return made


def listed(world: World, query: str = "") -> list[str]:
    return [key["id"] for key in world.get(f"api-keys?{query}", token=world.token()).json()["data"]]


@pytest.mark.parametrize(("name", "is_done"), [("500-committed", True), ("500-uncommitted", False)])
def test_500_says_nothing_about_what_was_done(world, name, is_done):
    fault(world, name, ISSUE)
    answer = world.issue(externalId=EXTERNAL_ID)
    assert answer.status_code == 500
    assert error_of(answer)["code"] == "internal_server_error"
    assert external_ids(world) == ([EXTERNAL_ID] if is_done else [])
    assert last(world) == (name, 500, is_done)
    assert world.sandbox.journal()[-1]["external_id"] == EXTERNAL_ID


@pytest.mark.parametrize("committed", [False, True])
@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_gateway_answers_with_a_page(world, status, committed):
    fault(world, f"{status}-html", committed=committed)
    answer = world.issue(externalId=EXTERNAL_ID)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "text/html"
    assert answer.text.startswith("<!doctype html>")
    assert external_ids(world) == ([EXTERNAL_ID] if committed else [])


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 408, 409, 410, 413, 415, 422, 425, 429])
def test_every_4xx(world, status):
    fault(world, str(status), ISSUE)
    answer = world.issue(externalId=EXTERNAL_ID)
    assert answer.status_code == status
    assert error_of(answer)["title"] == answer.reason
    assert "Retry-After" not in answer.headers
    assert external_ids(world) == []
    assert world.get("api-keys", token=world.token()).status_code == 200


def test_a_refusal_may_be_a_lie(world):
    fault(world, "409", ISSUE, committed=True)
    assert world.issue(externalId=EXTERNAL_ID).status_code == 409
    assert external_ids(world) == [EXTERNAL_ID]


def test_429_with_retry_after(world):
    fault(world, "429-seconds", seconds=7)
    assert world.get("users", key="no matter").headers["Retry-After"] == "7"
    fault(world, "429-date")
    until = parsedate_to_datetime(world.get("users").headers["Retry-After"])
    assert until == NOON + timedelta(minutes=5)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects(world, status):
    fault(world, f"redirect-{status}", ISSUE, target="http://127.0.0.1:9/elsewhere")
    with pytest.raises(requests.ConnectionError):  # it was sent there
        world.issue()
    world.session.max_redirects = 0
    fault(world, f"redirect-{status}", ISSUE)
    with pytest.raises(requests.TooManyRedirects) as caught:
        world.issue(externalId=EXTERNAL_ID)
    assert caught.value.response.status_code == status
    assert caught.value.response.headers["Location"] == "/api/v1/elsewhere"
    assert external_ids(world) == []


def test_201_without_a_body(world):
    fault(world, "created-empty", ISSUE)
    answer = world.issue(externalId=EXTERNAL_ID)
    assert (answer.status_code, answer.content) == (201, b"")
    assert external_ids(world) == [EXTERNAL_ID]


def test_201_with_half_of_its_body(world):
    fault(world, "created-truncated", ISSUE)
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        world.issue(externalId=EXTERNAL_ID)
    assert external_ids(world) == [EXTERNAL_ID]
    fault(world, "created-half-json", ISSUE)
    answer = world.issue()
    assert answer.status_code == 201
    assert answer.text.startswith('{"data": {"id": "')
    with pytest.raises(requests.JSONDecodeError):
        answer.json()


def test_201_of_another_type(world):
    fault(world, "created-wrong-type", ISSUE)
    answer = world.issue()
    assert (answer.status_code, answer.headers["Content-Type"]) == (201, "text/html")
    assert answer.json()["data"]["attributes"]["key"].startswith("sbx_")


def test_201_that_lacks_something(world):
    fault(world, "created-without-key", ISSUE)
    resource = world.issue().json()["data"]
    assert "key" not in resource["attributes"]
    assert resource["id"] == world.sandbox.api_keys()[0]["id"]
    fault(world, "created-without-id", ISSUE)
    resource = world.issue().json()["data"]
    assert "id" not in resource
    assert "key" in resource["attributes"]


def test_201_with_the_id_of_another_key(world):
    fault(world, "created-known-id", ISSUE)
    first, second = (world.issue().json()["data"]["id"] for _ in range(2))
    assert first == second
    assert len(world.sandbox.api_keys()) == 2


@pytest.mark.parametrize(
    ("name", "is_odd"),
    [
        ("created-long-key", lambda key: len(key) == 10_000),
        ("created-key-with-whitespace", lambda key: " " in key and key.endswith("\n")),
        ("created-non-ascii-key", lambda key: not key.isascii()),
    ],
)
def test_201_with_an_odd_key(world, name, is_odd):
    fault(world, name, ISSUE)
    answer = world.issue()
    assert answer.status_code == 201
    assert is_odd(answer.json()["data"]["attributes"]["key"])


@pytest.mark.parametrize("status", [200, 202])
def test_another_success_for_201(world, status):
    fault(world, f"{status}-for-201", ISSUE)
    answer = world.issue()
    assert answer.status_code == status
    assert answer.json()["data"]["attributes"]["key"].startswith("sbx_")


def test_what_is_refused_is_refused_as_ever(world):
    fault(world, "created-without-key", ISSUE)
    answer = world.issue(scopes=["no:such"])
    assert answer.status_code == 400
    assert error_of(answer)["code"] == "validation_error"
    assert last(world) == ("created-without-key", 400, False)


@pytest.mark.parametrize(
    ("name", "status", "is_live"),
    [
        ("delete-404-done", 404, False),
        ("delete-404-live", 404, True),
        ("delete-500-done", 500, False),
        ("delete-204-live", 204, True),
    ],
)
def test_what_delete_answers_is_not_what_it_does(world, name, status, is_live):
    (key,) = make_keys(world, 1)
    fault(world, name, DELETE)
    assert world.call("DELETE", f"api-keys/{key}", token=world.token()).status_code == status
    assert world.sandbox.api_keys()[0]["status"] == ("active" if is_live else "removed")
    assert last(world) == (name, status, not is_live)


def test_a_stale_list_is_what_it_was(world):
    old, removed, rescoped, gone = make_keys(world, 4)
    token = world.token()
    assert world.call("DELETE", f"api-keys/{removed}", token=token).status_code == 204
    body = {"data": {"type": "api_key", "attributes": {"scopes": ["read:teams"]}}}
    assert world.call("PATCH", f"api-keys/{rescoped}", token=token, json=body).ok
    world.sandbox.change_key(gone, gone=True)
    (new,) = make_keys(world, 1)  # and a minute goes by
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
    spared = world.key("read:users")  # has no external id: it is nobody's business
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
    assert (key["external_id"], key["created_at"]) == (EXTERNAL_ID, due)  # at its moment, not at the look
    entry = next(one for one in world.sandbox.journal() if one["method"] == "POST")
    assert (entry["committed"], entry["committed_at"], entry["at"]) == (
        True,
        due,
        "2026-03-02T12:00:00.000000Z",
    )
    assert len([one for one in world.sandbox.journal() if one["method"] == "POST"]) == 1


def test_late_writes_settle_when_told_to(world):
    fault(world, "commit-late", ISSUE, seed=3)
    for _ in range(5):
        with pytest.raises(requests.ConnectionError):
            world.issue()
    assert world.sandbox.settle(NOON) == 0
    assert world.sandbox.settle(NOON + timedelta(seconds=15)) == 5
    moments = [key["created_at"] for key in world.sandbox.api_keys()]
    assert len(set(moments)) == 5
    assert all("2026-03-02T12:00:00" < moment < "2026-03-02T12:00:15" for moment in moments)


def test_what_would_be_refused_is_not_done_later_either(world):
    fault(world, "commit-late", ISSUE)
    with pytest.raises(requests.ConnectionError):
        world.issue(scopes=["no:such"])
    assert world.sandbox.settle(NOON + timedelta(days=1)) == 0


def test_the_journal_numbers_the_requests(world):
    make_keys(world, 2)
    numbers = [entry["sequence"] for entry in world.sandbox.journal()]
    assert numbers == [1, 2]
    assert [entry["committed"] for entry in world.sandbox.journal()] == [True, True]
    listed(world)
    assert last(world) == (None, 200, False)
