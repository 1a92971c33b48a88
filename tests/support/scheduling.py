"""Distribute the tests over pytest-xdist's workers: browser tests to one or two of them, most others one by one."""

from __future__ import annotations

import os
import zlib
from contextlib import suppress
from importlib import import_module
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

LEAST_WORKERS = 3  # two cores bear three, because many tests wait
CORES_FOR_TWO_BROWSERS = 4
IN_ONE_WORKER = {
    "tests/domain/audit/test_roles.py",
    "tests/house/test_imports.py",
    "tests/house/test_language.py",
    "tests/house/test_sbom.py",
}
"""Modules whose tests share what takes seconds to prepare, which each worker would repeat."""


def cores() -> int:
    return len(os.sched_getaffinity(0))


def workers() -> int:
    return max(LEAST_WORKERS, cores() + 1)


def import_tests(config: pytest.Config) -> None:
    """Import all test modules in this worker, starting with its share of them. Collecting reports an error."""
    worker = getattr(config, "workerinput", None)
    if worker is None or config.args != config.getini("testpaths"):
        return
    modules = [
        ".".join(file.relative_to(config.rootpath).with_suffix("").parts)
        for folder in config.args
        for file in sorted((config.rootpath / folder).rglob("test_*.py"))
    ]
    first = len(modules) * int(worker["workerid"].removeprefix("gw")) // worker["workercount"]
    for module in modules[first:] + modules[:first]:
        with suppress(Exception):
            import_module(module)


def in_good_time(items: list[pytest.Item]) -> list[pytest.Item]:
    """Return the tests with the long ones spread over the first half.

    So no worker is left with one of them at the end, and others use the processor while they wait.
    """
    long = [item for item in items if item.get_closest_marker("long")]
    others = [item for item in items if not item.get_closest_marker("long")]
    gap = len(others) // 2 // max(1, len(long))
    between = [others[gap * number : gap * (number + 1)] for number in range(len(long))]
    ordered = [item for one, after in zip(long, between, strict=True) for item in (one, *after)]
    return ordered + others[gap * len(long) :]


class BrowserScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist ships no types
    """Run all browser tests in one worker, or in two if there are enough cores.

    Each such worker starts one portal and one Chromium. xdist starts with the scopes that have the most
    tests, which are these.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        if not nodeid.startswith("tests/browser/"):
            return file if file in IN_ONE_WORKER else nodeid
        browsers = 2 if cores() >= CORES_FOR_TWO_BROWSERS else 1
        return f"browser {zlib.crc32(file.encode()) % browsers}"

    def mark_test_complete(self, node: Any, item_index: int, duration: float = 0) -> None:
        """Forget each finished scope, because xdist counts all of them again after every test."""
        super().mark_test_complete(node, item_index, duration)
        scope = self._split_scope(self.registered_collections[node][item_index])
        if all(self.assigned_work[node][scope].values()):
            del self.assigned_work[node][scope]
