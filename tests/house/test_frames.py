"""Test that the depth of a call in the stack doesn't decide how fast its loops are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CALLS = 500
PROGRAM = f"""
import resource
from portal.frames import with_room

def large(): pass
large.__code__ = large.__code__.replace(co_stacksize=200)

def faults_of_a_loop():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range({CALLS}):
        large()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def at(depth):
    return faults_of_a_loop() if depth == 0 else at(depth - 1)

def worst():
    return max([at(depth) for depth in range(250)])

print(worst(), with_room(worst)())
"""
"""At 250 depths, ``large`` ends a piece of the stack at least once, because its frame is larger than a step."""


def test_with_room_a_loop_maps_no_memory_at_any_depth():
    """Without it, CPython 3.11 and 3.12 map memory in each turn of a loop at some depth."""
    command = [sys.executable, "-c", PROGRAM]
    root = Path(__file__).parents[2]
    said = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout.split()
    without, with_it = map(int, said)
    assert with_it < CALLS / 10
    assert without >= CALLS or sys.version_info >= (3, 13)
