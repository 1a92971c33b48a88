"""Time the cases in both databases alternately, so that disturbances affect both."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.databases import using

if TYPE_CHECKING:
    from benchmarks.cases import Case
    from benchmarks.requests import Browser

EMPTY = "/empty/"
WARM_UP = 3
SLOW, ROUNDS_WHEN_SLOW = 100.0, 5


@dataclass
class Times:
    """The time of a page in milliseconds, and the number of rows it listed."""

    each: list[float] = field(default_factory=list)
    rows: int = 0

    @property
    def median(self) -> float:
        return statistics.median(self.each)

    @property
    def p95(self) -> float:
        return sorted(self.each)[int(len(self.each) * 0.95)]


@dataclass
class Result:
    case: Case
    small: Times
    large: Times
    empty: Times

    @property
    def growth(self) -> float:
        return self.large.median / self.small.median

    @property
    def times_empty(self) -> float:
        return self.large.median / self.empty.median


def measure(case: Case, small: Browser, large: Browser, rounds: int) -> Result:
    result = Result(case, Times(), Times(), Times())
    addresses = []
    for browser in (small, large):
        with using(browser.database):
            addresses.append(case.address())
    turns = [
        (small, EMPTY, result.empty),
        (small, addresses[0], result.small),
        (large, EMPTY, result.empty),
        (large, addresses[1], result.large),
    ]
    slowest = max(browser.get(address).milliseconds for _ in range(WARM_UP) for browser, address, _ in turns)
    for _ in range(ROUNDS_WHEN_SLOW if slowest > SLOW else rounds):
        for browser, address, times in turns:
            answer = browser.get(address)
            times.each.append(answer.milliseconds)
            times.rows = answer.rows
    return result
