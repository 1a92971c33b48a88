"""The sequencer killed at each of its operations: whoever comes next finds nothing that it has to mend."""

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
"""In each round: the 256th, which completes a tile, is sealed in one that is killed, too."""


def test_a_sequencer_that_is_killed_leaves_nothing_half_done(database: Address, audit_files: Path) -> None:
    rounds = walk(database, audit_files, EVENTS)

    assert len(rounds) > 15
    assert [one["killed"] for one in rounds] == [True] * (len(rounds) - 1) + [False]
    is_whole()
    head = TreeHead.objects.get()
    assert head.size == EVENTS * len(rounds)
    assert (head.refusal, head.forged) == ("", None)
    checkpoints = list(Checkpoint.objects.order_by("size"))
    assert checkpoints[-1].size == head.size
    for checkpoint in checkpoints:
        assert tree(checkpoint.size).root() == bytes(checkpoint.root)
