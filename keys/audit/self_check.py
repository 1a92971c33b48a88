"""Verify the record in the database, with the code that an outsider would do it with."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from django.conf import settings
from django.utils import timezone

from keys.audit import tree_store
from keys.audit.reader import Line, is_there, record
from keys.audit.signer import remembered
from keys.models import TreeHead, TreeNode
from keys.tlog.checkpoint import signer
from keys.verifier.verify_bundle import Kind, Report, known_keys, verify

_ANOTHER_TREE = frozenset({Kind.HASH, Kind.ROOT, Kind.FORK, Kind.TREE})
"""Where one of these was found, the tree as it is stored tells nothing more."""


def check(anchors: Iterable[Line] = (), escrows: Iterable[Line] = ()) -> Report:
    """``anchors``: signed notes besides the anchor file's; ``escrows``: first keys of chains of MACs."""
    kept = list(anchors)  # read before the database, which knows everything that they hold
    signed, head, found = remembered(), tree_store.head(), record()
    found["anchors"] = chain(found["anchors"], kept)
    report = verify(found, known_keys(vkeys()), escrows, timezone.now())
    if report.events:
        _check_tree(report, head)
    if signed:
        _check_memory(report, *signed)
    if head.forged is not None and Kind.MAC not in report.found:
        report.add(Kind.MAC, head.forged, "The portal noticed it when it sealed the event.")
        report.found[Kind.MAC].times = head.forged_times or 1
    return report


def _check_tree(report: Report, head: TreeHead) -> None:
    """The hashes that proofs and roots are made of. An outsider makes the tree anew, without them."""
    if not is_there(TreeNode):
        report.add(Kind.TREE, 0, "There is no table of them.", head.size - 1)
        return
    for start, end in tree_store.wrong_tiles(head.size):
        report.add(Kind.TREE, start, "", end - 1)
    if report.found.keys().isdisjoint(_ANOTHER_TREE) and tree_store.contradicts(head.size, bytes(head.root)):
        report.add(Kind.TREE, 0, "The root of all is another.", head.size - 1)


def _check_memory(report: Report, size: int, root: bytes) -> None:
    """What this machine signed last, where nothing else has told that it is not there any more."""
    if size > report.events:
        if report.found.keys().isdisjoint({Kind.EMPTY, Kind.ROLLED_BACK}):
            words = f"It ends with {report.events}, and this machine has signed {size}."
            report.add(Kind.ROLLED_BACK if report.events else Kind.EMPTY, report.events, words)
    elif report.found.keys().isdisjoint(_ANOTHER_TREE) and tree_store.contradicts(size, root):
        report.add(Kind.FORK, 0, f"This machine has signed another root of {size}.", size - 1)


def vkeys() -> list[str]:
    """The public keys that the portal signs with, and has signed with."""
    mine = signer()
    return [*([mine.vkey] if mine else []), *settings.PORTAL_AUDIT_FORMER_VKEYS]
