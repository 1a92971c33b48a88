"""Measure the memory of downloading a million rows, and the time to add an audit event."""

from __future__ import annotations

import random
import statistics
import time
from typing import TYPE_CHECKING

from benchmarks.costs import costing
from benchmarks.databases import using
from keys.audit import log
from keys.audit.tree_store import head, tree
from keys.models import User
from keys.rules.events import Event

if TYPE_CHECKING:
    from benchmarks.requests import Browser

APPENDS = 200


def show(small: Browser, large: Browser) -> None:
    for name, address in {
        "inventory": "/keys/export/",
        "inventory by name": "/keys/export/?sort=name",
        "inventory, active": "/keys/export/?status=active",
        "activity": "/activity/export/",
    }.items():
        for browser in (small, large):
            _download(name, browser, address)
    _append(small, large)
    _prove(small, large)


def _download(name: str, browser: Browser, address: str) -> None:
    first, size, lines, started = 0.0, 0, 0, time.perf_counter()
    with costing() as cost:
        for chunk in browser.stream(address):
            first = first or time.perf_counter() - started
            size += len(chunk)
            lines += 1
    print(
        f"CSV, {name}: {lines - 2:,} lines, {size / 1e6:,.1f} MB in {cost.seconds:.1f} s, first byte after"
        f" {first:.2f} s; memory grew by {cost.megabytes:.1f} MB",
        flush=True,
    )


def _append(small: Browser, large: Browser) -> None:
    """Time an event and its commit to disk, alternately in each database."""
    taken: dict[str, list[float]] = {"1,000": [], "1,000,000": []}
    for _ in range(APPENDS):
        for name, browser in zip(taken, (small, large), strict=True):
            with using(browser.database):
                actor = User.objects.all()[0].as_actor(ip="192.0.2.7", browser="Chrome on Linux")
                started = time.perf_counter()
                log.append(Event.SIGNED_IN, actor=actor)
                taken[name].append((time.perf_counter() - started) * 1000)
    said = ", ".join(f"{statistics.median(times):.2f} ms among {name}" for name, times in taken.items())
    print(f"Audit event, committed: {said}")


def _prove(small: Browser, large: Browser) -> None:
    """Time inclusion proofs of events, alternately in each database."""
    taken: dict[str, list[float]] = {"1,000": [], "1,000,000": []}
    for _ in range(APPENDS):
        for name, browser in zip(taken, (small, large), strict=True):
            with using(browser.database):
                size = head().size
                started = time.perf_counter()
                tree(size).inclusion_proof(random.randrange(size))
                taken[name].append((time.perf_counter() - started) * 1000)
    said = ", ".join(f"{statistics.median(times):.2f} ms among {name}" for name, times in taken.items())
    print(f"Inclusion proof: {said}")
