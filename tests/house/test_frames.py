"""Test that the depth of a call in the stack doesn't decide how fast its loops are."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable

import pytest

from portal.frames import with_room

DEPTHS, CALLS = 250, 500


def _nothing() -> None:
    pass


code = _nothing.__code__
_nothing.__code__ = code.replace(co_stacksize=100)  # more than a step of the depth, so that one ends a piece


def _faults_of_a_loop() -> int:
    before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
    for _ in range(CALLS):
        _nothing()
    return resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before


def _at(depth: int, call: Callable[[], int]) -> int:
    return call() if depth == 0 else _at(depth - 1, call)


def _worst() -> int:
    return max(_at(depth, _faults_of_a_loop) for depth in range(DEPTHS))


def test_a_loop_maps_no_memory_at_any_depth():
    assert with_room(_worst)() < CALLS / 10


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="a later CPython may keep a spare piece")
def test_without_room_a_loop_maps_memory_in_each_turn():
    import threading

    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(_worst()))  # it starts with an empty stack
    thread.start()
    thread.join()
    assert found[0] >= CALLS
