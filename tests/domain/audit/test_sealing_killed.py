"""A sequencer killed at any of its operations leaves nothing to repair."""

from __future__ import annotations

from pathlib import Path

import pytest

from keys.audit.tree_store import tree
from keys.models import Checkpoint, TreeHead
from tests.support.killing import walk
from tests.support.own_database import Address
from tests.support.sealed_log import is_whole

pytestmark = pytest.mark.long

EVENTS = 12
"""Events per round. A killed round also seals the 256th event, which completes a tile."""


def test_a_killed_sequencer_leaves_no_partial_work(
    database: Address, audit_files: Path, nightly: bool
) -> None:
    """``make nightly`` kills it at each operation, otherwise at every second one."""
    step = 1 if nightly else 2
    rounds = walk(database, audit_files, EVENTS * step, step=step)

    assert len(rounds) > (15 if nightly else 8)
    assert [one["killed"] for one in rounds] == [True] * (len(rounds) - 1) + [False]
    is_whole()
    head = TreeHead.objects.get()
    assert head.size == EVENTS * step * len(rounds)
    assert (head.refusal, head.forged) == ("", None)
    checkpoints = list(Checkpoint.objects.order_by("size"))
    assert checkpoints[-1].size == head.size
    for checkpoint in checkpoints:
        assert tree(checkpoint.size).root() == bytes(checkpoint.root)
