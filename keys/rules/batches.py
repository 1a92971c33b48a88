"""Split an iterable into lists of bounded size, so that memory, queries and transactions stay bounded."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")

FEWEST = 10
SHORT = 0.2
"""Seconds that a transaction may take. On SQLite, nobody else can write meanwhile."""
PAUSE, LONGEST_PAUSE = 0.1, 0.5
"""Seconds between two transactions. A writer that waits for SQLite looks every 0.1 seconds if it is its turn,
and less often if the machine is busy. Then the transactions take longer, too.
"""


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield ``items`` as lists of ``size``, the last one shorter. Reads no further ahead than one list."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def in_turns(groups: Iterable[list[T]], most: int) -> Iterator[list[T]]:
    """Yield the items of ``groups`` as lists of about ``most``, one for each transaction.

    Pause in between, so that others can write. A list is shorter, but not below ``FEWEST``, if the one before
    took longer than ``SHORT``, as on a busy machine. The items of one group stay together.
    """
    waiting, size = iter(groups), FEWEST
    some = _take(waiting, min(size, most))
    while some:
        began = time.monotonic()
        yield some
        seconds = max(time.monotonic() - began, SHORT / 1000)
        size = max(FEWEST, min(2 * size, int(len(some) * SHORT / seconds)))
        some = _take(waiting, min(size, most))
        if some:
            time.sleep(min(max(seconds, PAUSE), LONGEST_PAUSE))


def _take(groups: Iterator[list[T]], size: int) -> list[T]:
    some: list[T] = []
    for group in groups:
        some += group
        if len(some) >= size:
            break
    return some


def each_alone(items: Iterable[T]) -> Iterator[list[T]]:
    """Yield groups for ``in_turns`` of which any can go without the others."""
    return ([item] for item in items)
