"""The replies of the faults, over a real socket."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import pytest
import requests

from sandbox import Sandbox
from tests.sandbox.faults import EXTERNAL_ID, ISSUE, external_ids, fault, last, listed, make_keys
from tests.sandbox.world import NOON, World, error_of, open_world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with open_world(tmp_path) as world:
        yield world


@pytest.mark.parametrize(("name", "is_done"), [("500-committed", True), ("500-uncommitted", False)])
def test_500_may_be_sent_before_or_after_a_commit(world, name, is_done):
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
    assert "Retry-After" not in answer.headers
    assert external_ids(world) == []
    assert world.get("api-keys", token=world.token()).status_code == 200


def test_a_refusal_may_be_sent_after_a_commit(world):
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
    with pytest.raises(requests.ConnectionError):  # the redirect was followed to the target
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


def test_201_without_the_id_or_the_key(world):
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
def test_another_status_instead_of_201(world, status):
    fault(world, f"{status}-for-201", ISSUE)
    answer = world.issue()
    assert answer.status_code == status
    assert answer.json()["data"]["attributes"]["key"].startswith("sbx_")


def test_a_request_that_the_workspace_refuses_gets_its_honest_refusal(world):
    fault(world, "created-without-key", ISSUE)
    answer = world.issue(scopes=["no:such"])
    assert answer.status_code == 400
    assert error_of(answer)["code"] == "validation_error"
    assert last(world) == ("created-without-key", 400, False)


def test_the_journal_numbers_the_requests(world):
    make_keys(world, 2)
    numbers = [entry["sequence"] for entry in world.sandbox.journal()]
    assert numbers == [1, 2]
    assert [entry["committed"] for entry in world.sandbox.journal()] == [True, True]
    listed(world)
    assert last(world) == (None, 200, False)


def test_a_journal_of_an_earlier_version_is_migrated(tmp_path):
    path = tmp_path / "sandbox.sqlite3"
    Sandbox(path).close()
    with closing(sqlite3.connect(path)) as db, db:
        for column in ("committed_at", "fault"):
            db.execute(f"ALTER TABLE journal DROP COLUMN {column}")
    with open_world(tmp_path) as world:
        fault(world, "404", "GET /api/v1/users")
        world.get("users")
        assert last(world) == ("404", 404, False)
