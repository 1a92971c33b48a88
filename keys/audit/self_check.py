"""Verify the audit log in the database with the same code that auditors run."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from django.conf import settings
from django.utils import timezone

from keys.audit import tree_store
from keys.audit.reader import Line, record, table_exists
from keys.audit.signer import last_signed
from keys.models import TreeHead, TreeNode
from keys.tlog.checkpoint import signer
from keys.verifier.verify_bundle import Kind, Report, known_keys, verify

_TREE_DAMAGE = frozenset({Kind.HASH, Kind.ROOT, Kind.FORK, Kind.TREE})
"""If one of these was found, comparing the stored tree adds nothing."""


def check(anchors: Iterable[Line] = (), escrows: Iterable[Line] = ()) -> Report:
    """Return the damage found in the log and in the state that only this machine has.

    ``anchors`` are signed notes in addition to the anchor file; ``escrows`` are the first keys of MAC chains.
    """
    more_anchors = list(anchors)  # read first: each checkpoint is in the database before it is in an anchor
    signed, head, log = last_signed(), tree_store.head(), record()
    log["anchors"] = chain(log["anchors"], more_anchors)
    report = verify(log, known_keys(vkeys()), escrows, timezone.now())
    if report.events:
        _check_tree(report, head)
    if signed:
        _check_last_signed(report, *signed)
    if head.forged is not None and Kind.MAC not in report.found:
        report.add(Kind.MAC, head.forged, "Found when the event was sealed.")
        report.found[Kind.MAC].times = head.forged_times or 1
    return report


def _check_tree(report: Report, head: TreeHead) -> None:
    """Check the stored hashes, which proofs and roots use. The verifier computes the tree without them."""
    if not table_exists(TreeNode):
        report.add(Kind.TREE, 0, "Their table is missing.", head.size - 1)
        return
    for start, end in tree_store.wrong_tiles(head.size):
        report.add(Kind.TREE, start, "", end - 1)
    if report.found.keys().isdisjoint(_TREE_DAMAGE) and tree_store.has_other_root(
        head.size, bytes(head.root)
    ):
        report.add(Kind.TREE, 0, "The root of the whole tree is different.", head.size - 1)


def _check_last_signed(report: Report, size: int, root: bytes) -> None:
    """Report a rollback or fork if the log contradicts the last checkpoint that this machine signed."""
    if size > report.events:
        if report.found.keys().isdisjoint({Kind.EMPTY, Kind.ROLLED_BACK}):
            words = f"The log has {report.events} events, and this machine has signed {size}."
            report.add(Kind.ROLLED_BACK if report.events else Kind.EMPTY, report.events, words)
    elif report.found.keys().isdisjoint(_TREE_DAMAGE) and tree_store.has_other_root(size, root):
        report.add(Kind.FORK, 0, f"This machine has signed a different root for {size} events.", size - 1)


def vkeys() -> list[str]:
    """Return the portal's current public key, if it has one, and its former ones."""
    current = signer()
    return [*([current.vkey] if current else []), *settings.PORTAL_AUDIT_FORMER_VKEYS]
