"""Split an iterable into lists of bounded size, so that memory and queries stay bounded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield ``items`` as lists of ``size``, the last one shorter. Reads no further ahead than one list."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
