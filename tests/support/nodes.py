"""Act as several nodes of one portal in one process: each has its own folders and its own heartbeat."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from django.db.models import F
from django.test import override_settings

from keys.audit import node
from keys.jobs.node import Heartbeat
from keys.models import Node


@dataclass
class ANode:
    """A node with its data in ``folder``."""

    folder: Path
    heartbeat: Heartbeat = field(default_factory=Heartbeat)

    @contextmanager
    def here(self) -> Iterator[None]:
        """Act as this node until the block ends."""
        with override_settings(PORTAL_DATA_DIR=self.folder, PORTAL_AUDIT_DIR=self.folder / "audit"):
            yield

    def beat(self) -> bool:
        """Do what the node's worker does each second. Return whether the node may work."""
        self.folder.mkdir(exist_ok=True)
        with self.here():
            self.heartbeat.beat()
        return self.heartbeat.ready.is_set()

    def row(self) -> Node:
        with self.here():
            return node.own_row()


def join(*nodes: ANode) -> None:
    """Start the nodes, the first one first, and let them be here for long enough to act on their own."""
    for one in nodes:
        one.beat()
    for _ in range(2):
        for one in nodes:
            one.beat()
    assert all(one.beat() for one in nodes)
    settle()


def settle() -> None:
    Node.objects.update(back_since=F("back_since") - 2 * node.SETTLE)


def be_away(one: ANode, amount: timedelta) -> None:
    """Make ``one`` look as if it had been seen last ``amount`` ago."""
    Node.objects.filter(pk=one.row().pk).update(last_seen=F("last_seen") - amount)
