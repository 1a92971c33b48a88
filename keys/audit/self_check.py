"""Verify the audit log in the database with the same code that auditors run."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from django.utils import timezone

from keys.audit import forgeries, notes, tree_store
from keys.audit.guards import broken_guards, wrong_indexes
from keys.audit.reader import Line, record, table_exists
from keys.audit.signer import last_signed
from keys.models import TreeHead, TreeNode
from keys.tlog.checkpoint import vkeys
from keys.verifier.verify_bundle import Kind, Report, known_keys, verify

_TREE_DAMAGE = frozenset({Kind.HASH, Kind.ROOT, Kind.FORK, Kind.TREE})
"""If one of these was found, comparing the stored tree adds nothing."""

_NOTE_DAMAGE = frozenset(
    {Kind.EMPTY, Kind.TRUNCATED, Kind.ROLLED_BACK, Kind.FORK, Kind.SIGNATURE, Kind.REPLAYED, Kind.UNSIGNED}
)
NAMED = 5
"""Broken guards that the name of the damage lists."""


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
        _check_notes(report)
    _check_guards(report)
    _check_forgeries(report, forgeries.known(head))
    return report


def _check_guards(report: Report) -> None:
    if broken := [*broken_guards(), *wrong_indexes()]:
        more = f" and {len(broken) - NAMED} more" if len(broken) > NAMED else ""
        report.add(Kind.GUARDS, 0, f"In full: {'; '.join(broken)}."[:2000])
        report.found[Kind.GUARDS].place = "; ".join(broken[:NAMED]) + more
        report.found[Kind.GUARDS].times = len(broken)


def _check_forgeries(report: Report, known: forgeries.Forged | None) -> None:
    """Report the forged events that this machine remembers, even if their notices are not in the log."""
    if known is not None:
        found = report.found.pop(Kind.FORGED, None)
        first = min(known.first, found.index) if found else known.first
        report.add(Kind.FORGED, first, "Found when the event was sealed or signed.")
        report.found[Kind.FORGED].times = max(known.times, found.times if found else 0)


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


def _check_notes(report: Report) -> None:
    """Report a deleted checkpoint, unless the damage found so far explains its absence."""
    if report.found.keys().isdisjoint(_NOTE_DAMAGE) and (missing := notes.missing()):
        words = "This machine remembers more checkpoints, or other ones, than the log has."
        report.add(Kind.UNSIGNED, 0, words)
        report.found[Kind.UNSIGNED].times = missing
