"""The rules that decide when a fault happens; and the documentation of each fault."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sandbox import Sandbox
from sandbox.faults.catalogue import CATALOGUE
from sandbox.messages import Request
from tests.support.cases import in_one_test

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCS = Path(__file__).parents[2] / "docs" / "sandbox.md"


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    sandbox = Sandbox(tmp_path / "sandbox.sqlite3")
    yield sandbox
    sandbox.close()


def drawn(sandbox: Sandbox, method: str = "GET", path: str = "/api/v1/users") -> str | None:
    incident = sandbox.faults.draw(Request(method, path, "", {}))
    return None if incident is None else incident.fault.name


@in_one_test(
    "route, method, path, fits",
    [
        ("*", "GET", "/api/v1/users", True),
        ("POST /api/v1/api-keys", "POST", "/api/v1/api-keys", True),
        ("POST /api/v1/api-keys", "GET", "/api/v1/api-keys", False),
        ("POST /api/v1/api-keys", "POST", "/api/v1/api-keys/1", False),
        ("* /api/v1/api-keys/*", "PATCH", "/api/v1/api-keys/1", True),
        ("* /api/v1/api-keys/*", "PATCH", "/api/v1/api-keys/1/2", False),
        ("GET /api/v1/*", "GET", "/api/v1/users", True),
        ("GET /api/v1/*", "GET", "/api/v1/users/1", False),
        ("GET /api/v1/user.", "GET", "/api/v1/users", False),
    ],
)
def test_routes(sandbox, route, method, path, fits):
    sandbox.faults.set([{"route": route, "fault": "404"}])
    assert drawn(sandbox, method, path) == ("404" if fits else None)


def test_a_fault_happens_only_to_requests_it_is_for(sandbox):
    sandbox.faults.set([{"route": "*", "fault": "delete-204-live"}])
    assert drawn(sandbox, "GET", "/api/v1/api-keys/1") is None
    assert drawn(sandbox, "DELETE", "/api/v1/api-keys/1") == "delete-204-live"


def test_head_is_left_alone(sandbox):
    sandbox.faults.set([{"fault": "404"}])
    assert drawn(sandbox, "HEAD") is None


def test_count_and_after(sandbox):
    sandbox.faults.set([{"fault": "404", "count": 2, "after": 1}])
    assert [drawn(sandbox) for _ in range(5)] == [None, "404", "404", None, None]
    assert sandbox.faults.fired() == {"404": 2}
    sandbox.faults.clear()
    assert drawn(sandbox) is None
    assert (sandbox.faults.rules(), sandbox.faults.fired()) == ([], {})


def test_the_first_rule_that_fires_counts(sandbox):
    sandbox.faults.set([{"fault": "404", "count": 1}, {"fault": "409"}])
    assert [drawn(sandbox) for _ in range(2)] == ["404", "409"]


def test_a_rate_is_the_share_of_requests(sandbox):
    sandbox.faults.set([{"fault": "404", "rate": 0.25, "seed": 5}])
    happened = sum(drawn(sandbox) is not None for _ in range(1000))
    assert 200 < happened < 300
    (rule,) = sandbox.faults.rules()
    assert (rule["seen"], rule["fired"]) == (1000, {"404": happened})


def test_the_same_seed_gives_the_same_sequence(sandbox, tmp_path):
    (rule,) = sandbox.faults.set([{"fault": "any", "rate": 0.5}])
    first = [drawn(sandbox) for _ in range(100)]
    assert len(set(first)) > 10
    sandbox.faults.set([{"fault": "any", "rate": 0.5, "seed": rule["seed"]}])
    assert [drawn(sandbox) for _ in range(100)] == first
    sandbox.faults.set([{"fault": "any", "rate": 0.5, "seed": rule["seed"] + 1}])
    assert [drawn(sandbox) for _ in range(100)] != first


def test_a_seed_gives_the_same_sequence_in_every_python_version(sandbox):
    sandbox.faults.set([{"fault": "404", "rate": 0.5, "seed": 1}])
    assert "".join("x" if drawn(sandbox) else "." for _ in range(16)) == ".xx.....x.xxxx.."


def test_chaos_uses_options_that_keep_a_demo_usable(sandbox):
    sandbox.faults.set([{"fault": "any", "seed": 1}])
    hangs, names = set(), set()
    for _ in range(3000):
        incident = sandbox.faults.draw(Request("POST", "/api/v1/api-keys", "", {}))
        names.add(incident.fault.name)
        if incident.fault.name.startswith("hang"):
            hangs.add(incident.seconds)
    assert hangs == {5}
    fitting = {
        name
        for name, fault in CATALOGUE.items()
        if fault.matches(Request("POST", "/api/v1/api-keys", "", {}))
    }
    assert names == fitting - {"refuse-connections"}


@in_one_test(
    "rule, sentence",
    [
        ({}, "There is no fault None"),
        ({"fault": "no-such"}, "There is no fault 'no-such'"),
        ({"fault": "404", "route": "users"}, "'users' is not a route"),
        ({"fault": "404", "route": "TRACE /"}, "is not a route"),
        ({"fault": "404", "rate": 1.5}, "from 0 to 1"),
        ({"fault": "404", "rate": True}, "'rate' cannot be True"),
        ({"fault": "404", "count": -1}, "not negative"),
        ({"fault": "404", "seed": "x"}, "'seed' cannot be 'x'"),
        ({"fault": "404", "seconds": 3}, "no option 'seconds'; it has committed"),
        ({"fault": "slow-bytes", "seconds": "3"}, "'seconds' cannot be '3'"),
        ({"fault": "any", "seconds": 3}, "it has none"),
        ({"fault": "refuse-connections", "route": "GET /api/v1/users"}, "the route [*] alone"),
    ],
)
def test_a_wrong_rule_is_refused_and_the_earlier_rules_stay(sandbox, rule, sentence):
    sandbox.faults.set([{"fault": "404"}])
    with pytest.raises(ValueError, match=sentence):
        sandbox.faults.set([{"fault": "409"}, rule])
    assert drawn(sandbox) == "404"


def test_restore_and_reset_end_the_faults(sandbox):
    snapshot = sandbox.snapshot()
    for behave in (lambda: sandbox.restore(snapshot), sandbox.reset):
        sandbox.faults.set([{"fault": "404"}])
        behave()
        assert drawn(sandbox) is None


def test_every_fault_is_documented():
    text = DOCS.read_text()
    for fault in CATALOGUE.values():
        assert f"| `{fault.name}` | {fault.about} |" in text


def test_no_two_faults_are_the_same():
    assert len({fault.about for fault in CATALOGUE.values()}) == len(CATALOGUE)
