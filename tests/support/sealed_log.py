"""Helpers for tests of the tree: events, and a tree computed from the definition for comparison."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib import import_module

from django.db import connection
from django.db.models import F

from keys.audit.tree_store import tree
from keys.models import AuditEvent, Sealed, TreeHead, TreeNode, Unsealed
from keys.tlog.merkle import leaf_hash
from tests.cast import an_event
from tests.domain.audit.test_merkle import naive

LONG = timedelta(minutes=10)


def add_events(count: int, **columns: object) -> list[AuditEvent]:
    return AuditEvent.objects.bulk_create(an_event(**columns) for _ in range(count))


def is_whole() -> None:
    """Assert that each event is sealed exactly once, in order, and that the tree matches the leaves."""
    assert not Unsealed.objects.exists()
    sealed = list(Sealed.objects.order_by("index").values_list("index", "event__leaf", "leaf_hash"))
    assert [index for index, _, _ in sealed] == list(range(AuditEvent.objects.count()))
    leaves = [leaf_hash(bytes(leaf)) for _, leaf, _ in sealed]
    assert [bytes(digest) for _, _, digest in sealed] == leaves
    head = TreeHead.objects.get()
    assert (head.size, bytes(head.root)) == (len(leaves), naive(leaves))
    assert tree(head.size).root() == naive(leaves)
    nodes = {(node.level, node.index): bytes(node.hash) for node in TreeNode.objects.all()}
    assert nodes == {(1, n): naive(leaves[256 * n : 256 * (n + 1)]) for n in range(len(leaves) // 256)}


def without_triggers() -> None:
    """Drop the triggers that refuse changes, as the owner of the tables can."""
    migration = import_module("keys.migrations.0003_append_only_audit")
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            for name in migration.REFUSED:
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}")
            return
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a table with pending checks cannot be altered
        for name, (when, _, _) in migration.POSTGRESQL_TRIGGERS.items():
            if name != "keys_auditevent_queued":
                cursor.execute(f"ALTER TABLE {when.rpartition(' ')[2]} DISABLE TRIGGER {name}")


@contextmanager
def changeable_events() -> Iterator[None]:
    """Let events be changed until the block ends, as the owner of the tables can. Then all is as before."""
    name = "keys_auditevent_no_update"
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT sql FROM sqlite_master WHERE name = %s", [name])
            [made] = cursor.fetchone()
            cursor.execute(f"DROP TRIGGER {name}")
            yield
            cursor.execute(made)
        else:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute(f"ALTER TABLE keys_auditevent DISABLE TRIGGER {name}")
            yield
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute(f"ALTER TABLE keys_auditevent ENABLE TRIGGER {name}")


def let_the_lease_end() -> None:
    TreeHead.objects.filter(leader_until__isnull=False).update(leader_until=F("leader_until") - LONG)
