"""Errors: all of them have the same shape."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from sandbox import Sandbox
from tests.sandbox.world import World, document, error_of, open_world
from tests.support.cases import in_one_test

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with open_world(tmp_path) as world:
        yield world


BODY = ["data"]
JSON = {"Content-Type": "application/json"}


def post(world: World, raw: bytes | str, **headers: str):
    return world.call("POST", "api-keys", token=world.token(), data=raw, headers={**JSON, **headers})


@in_one_test(
    "path",
    [
        "/",
        "/api/v1",
        "/api/v1/",
        "/api/v2/users",
        "users/",
        "jobs",
        "activities",
        "vaults/x",
        "/api/v1/üsers",
    ],
)
def test_an_unknown_address(world, path):
    answer = world.get(path, token=world.token())
    error = error_of(answer)
    assert (answer.status_code, error["code"], error["status"]) == (404, "not_found", 404)
    assert error["meta"] is None


@in_one_test(
    "method, path, allowed",
    [
        ("POST", "users", "GET"),
        ("PUT", "secrets", "GET, POST"),
        ("DELETE", "api-keys", "GET, POST"),
        ("POST", "api-keys/x", "DELETE, GET, PATCH"),
        ("OPTIONS", "vaults", "GET"),
    ],
)
def test_an_unknown_method(world, method, path, allowed):
    answer = world.call(method, path, token=world.token())
    error = error_of(answer)
    assert (answer.status_code, error["code"], error["status"]) == (405, "method_not_allowed", 405)
    assert answer.headers["Allow"] == allowed


def test_the_answer_to_head_has_no_body(world):
    answer = world.call("HEAD", "users", token=world.token())
    assert (answer.status_code, answer.content) == (405, b"")
    assert world.get("users", token=world.token()).ok  # the connection is still usable


@in_one_test(
    "raw",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"data": NaN}',
        b'"\\ud800"',
        b"[" * 100_000,
        b"1" * 10_000,
    ],
)
def test_a_body_that_is_not_json(world, raw):
    error = error_of(post(world, raw))
    assert (error["code"], error["meta"]["loc"]) == ("validation_error", BODY)


@in_one_test(
    "value, loc",
    [
        (None, BODY),
        ([], BODY),
        ({}, BODY),
        ({"data": []}, BODY),
        ({"data": {"type": "secret", "attributes": {}}}, [*BODY, "type"]),
        ({"data": {"type": "api_key"}}, [*BODY, "attributes"]),
        ({"data": {"type": "api_key", "attributes": {}, "x": 1}}, [*BODY, "x"]),
        ({"data": {}, "meta": {}}, ["meta"]),
    ],
)
def test_a_body_of_the_wrong_shape(world, value, loc):
    answer = post(world, json.dumps(value))
    error = error_of(answer)
    assert (answer.status_code, error["meta"]["loc"]) == (400, loc)


def test_a_body_with_another_media_type(world):
    answer = world.call("POST", "api-keys", token=world.token(), data={"name": "a form"})
    assert error_of(answer)["meta"]["loc"] == ["Content-Type"]
    assert post(world, "{}", **{"Content-Type": "Application/JSON; charset=utf-8"}).status_code == 400


def test_a_body_over_one_mebibyte(world):
    limit = 1024 * 1024
    answer = post(world, b" " * (limit + 1))
    error = error_of(answer)
    assert (answer.status_code, error["code"], error["status"]) == (413, "payload_too_large", 413)
    fitting = json.dumps(
        document("api_key", name="n", scopes=["read:users"], expiresAt="2027-01-01T00:00:00Z")
    )
    assert post(world, fitting.ljust(limit)).status_code == 201


def test_too_many_requests_of_one_credential(world):
    world.sandbox.throttle.per_minute = 2
    busy, calm = world.key("read:users"), world.key("read:users")
    for _ in range(2):
        assert world.get("users", key=busy).ok
    answer = world.get("users", key=busy)
    error = error_of(answer)
    assert (answer.status_code, error["code"], error["status"]) == (429, "too_many_requests", 429)
    assert "five minutes" in error["detail"]
    assert "Retry-After" not in answer.headers
    assert world.get("users", key=calm).ok
    world.clock.advance(minutes=4, seconds=59)
    assert world.get("users", key=busy).status_code == 429
    world.clock.advance(seconds=1)
    assert world.get("users", key=busy).ok


def test_requests_are_counted_per_minute(world):
    world.sandbox.throttle.per_minute = 2
    key = world.key("read:users")
    for _ in range(6):
        assert world.get("users", key=key).ok
        world.clock.advance(seconds=30)


def test_no_limit_is_set_by_default(tmp_path):
    assert Sandbox(tmp_path / "a.sqlite3").throttle.per_minute is None
    assert Sandbox(tmp_path / "b.sqlite3", requests_per_minute=5).throttle.per_minute == 5


def test_a_failure_of_the_sandbox_has_the_same_shape_and_is_noted(world, caplog):
    world.sandbox.add_record("team", {"name": 5})
    world.sandbox.add_record("team", {"name": "six"})
    answer = world.get("teams?sort=name", token=world.token())
    error = error_of(answer)
    assert (answer.status_code, error["code"]) == (500, "internal_error")
    assert world.sandbox.journal()[-1]["status"] == 500
    assert "The sandbox failed on GET" in caplog.text
