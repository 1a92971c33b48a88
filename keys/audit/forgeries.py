"""Find events that the portal did not write, and remember them in the log and in a file outside the database.

The sequencer checks the MAC of each event that it takes from the queue. The signer checks every event once
more before it signs it, because somebody with the database can also put an event straight into the tree.
The file ``checked.json`` of each node has the size and root up to which this node's signer has checked, each
forged event that was found, the newest explanations whose MAC was right, and the number of events whose MAC
key was gone when they were checked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import structlog
from django.db import transaction
from django.db.models import Sum

from keys.audit import log, node, notes, tree_store
from keys.models import AuditEvent, Sealed, TreeHead
from keys.rules.batches import batches
from keys.rules.events import Event
from keys.tlog import mac_ratchet, state_files
from keys.tlog.mac_ratchet import Mac
from keys.tlog.merkle import Damaged, leaf_hash

FILE = "checked.json"
PAGE = 1000
IN_ONE_EVENT = 50
MOST_EXPLANATIONS = 200
KEPT = 10_000
"""Forged events in the file; further ones are only counted. The log itself names each."""

logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Forged:
    """The lowest index of a forged event, and the number of forged events."""

    first: int
    times: int


@dataclass(frozen=True)
class Checked:
    """The content of the file. ``forged`` maps the hash of a leaf to its index."""

    size: int = 0
    root: str = ""
    unchecked: int = 0
    forged: Mapping[str, int] = field(default_factory=dict)
    more: int = 0
    explanations: Sequence[str] = ()


class _Watch:
    """Remember that no event waited when ``size`` were sealed: later ones were committed after that.

    Their MACs are of ``epoch``, which was the previous one then, or a later one.
    """

    path: Path | None = None
    chain, epoch, size = "", 0, 0


def note_empty_queue() -> None:
    """Remember, once in each epoch, that no event waits: a later event with a much older MAC is forged."""
    oldest, path = mac_ratchet.stored(), state_files.path_of(FILE)
    if (_Watch.path, _Watch.chain, _Watch.epoch) != (path, oldest.chain, oldest.epoch):
        _Watch.path, _Watch.chain, _Watch.epoch = path, oldest.chain, oldest.epoch
        _Watch.size = tree_store.head().size


def checked() -> Checked:
    path = state_files.path_of(FILE)
    return Checked(**json.loads(path.read_text())) if path.exists() else Checked()


def count_unchecked() -> int:
    """Return the number of events whose MAC no node could check: each is checked where it is signed."""
    elsewhere = node.others().aggregate(sum=Sum("unchecked"))["sum"]
    return checked().unchecked + (elsewhere or 0)


def known(head: TreeHead) -> Forged | None:
    """Return the forged events that the file or the tree's head names, or None."""
    kept = checked()
    first = [*kept.forged.values(), *([] if head.forged is None else [head.forged])]
    times = max(len(kept.forged) + kept.more, head.forged_times or 0, 1)
    return Forged(min(first), times) if first else None


def append_notices(forged: Mapping[int, bytes]) -> list[AuditEvent]:
    """Record forged events, by index and leaf hash, and return the new rows. The file is written first."""
    for index in forged:
        logger.error("audit_event_forged", count=index)
    _remember(forged)
    return [
        log.append(
            Event.FORGERY_FOUND,
            actor=None,
            events=[index for index, _ in batch],
            leaves=[digest.hex() for _, digest in batch],
        )
        for batch in batches(sorted(forged.items()), IN_ONE_EVENT)
    ]


def is_forged(leaf: Any, tag: Any, chain: str, epoch: int, *, index: int = -1) -> bool:
    """Return whether the MAC is wrong, or too old for the ``index`` at which the event was sealed."""
    watches = (_Watch.path, _Watch.chain) == (state_files.path_of(FILE), chain)
    if watches and epoch < _Watch.epoch and index >= _Watch.size:
        return True
    return mac_ratchet.is_wrong(bytes(leaf), Mac(bytes(tag), chain, epoch))


def start_anew() -> None:
    """Forget up to which size events were checked, because the signer starts anew as well."""
    _replace(lambda kept: replace(kept, size=0, root=""))


def contradiction(head: TreeHead) -> str:
    """Return why the tree is not the one that was checked, as a sentence, or ""."""
    before = checked()
    if before.size > head.size:
        return f"The log has {head.size:,} sealed events, and {before.size:,} were checked before."
    if before.size and _root(before.size) not in {before.root, ""}:
        return f"The first {before.size:,} events are not the events that were checked before."
    return ""


def check_new(head: TreeHead) -> str:
    """Check the MAC of each sealed event that no node has checked and signed yet, and record forged ones.

    Return a reason not to sign, as a sentence, or "".
    """
    if words := contradiction(head):
        return words
    start, unchecked, noticed = max(checked().size, _signed_size()), 0, dict[int, bytes]()
    forged, explained, chain = dict[int, bytes](), list[str](), mac_ratchet.stored().chain
    is_of_earlier_chain = start == 0 or _chain_of(start - 1) != chain
    for index, digest, leaf, kind, *mac in _rows(start, head.size):
        if leaf is None or leaf_hash(bytes(leaf)) != bytes(digest):
            return f"Event {index:,} is not the event that was sealed."
        # `audit_init --new-chain` replaces the key of events that were sealed before, and not signed yet.
        is_of_earlier_chain = is_of_earlier_chain and mac[1] != chain
        if not is_of_earlier_chain and is_forged(leaf, *mac, index=index):
            forged[index] = bytes(digest)
            continue
        unchecked += not mac_ratchet.has_key(mac[1], mac[2])
        if kind == Event.FORGERY_FOUND:
            noticed |= _named_in(bytes(leaf))
        if kind == Event.DAMAGE_EXPLAINED and mac_ratchet.has_key(mac[1], mac[2]):
            explained.append(bytes(digest).hex())
    _remember(noticed)
    if new := {index: digest for index, digest in forged.items() if digest.hex() not in checked().forged}:
        with transaction.atomic():
            append_notices(new)
            _note_in_head(new)
    if start < head.size:
        root = _root(head.size)
        _replace(
            lambda kept: replace(
                kept,
                size=head.size,
                root=root,
                unchecked=kept.unchecked + unchecked,
                explanations=[*kept.explanations, *explained][-MOST_EXPLANATIONS:],
            )
        )
    return ""


def _signed_size() -> int:
    """Return the size up to which a node has checked and signed: that of the newest checkpoint, or 0."""
    newest = notes.newest_signed()
    is_true = newest is not None and _root(newest.size) == newest.root.hex()
    return newest.size if newest is not None and is_true else 0


def _chain_of(index: int) -> str | None:
    return Sealed.objects.filter(index=index).values_list("event__mac_chain", flat=True).first()


def _note_in_head(forged: Mapping[int, bytes]) -> None:
    head = TreeHead.objects.select_for_update().get()
    first = min([*forged, *([] if head.forged is None else [head.forged])])
    TreeHead.objects.update(forged=first, forged_times=(head.forged_times or 0) + len(forged))


def _rows(start: int, end: int) -> Iterator[tuple[Any, ...]]:
    names = ("index", "leaf_hash", "event__leaf", "event__type", "event__mac", "event__mac_chain")
    while start < end:
        within = Sealed.objects.filter(index__gte=start, index__lt=end).order_by("index")
        page = list(within.values_list(*names, "event__mac_epoch")[:PAGE])
        yield from page
        if len(page) < PAGE:
            return
        start = page[-1][0] + 1


def _named_in(leaf: bytes) -> dict[int, bytes]:
    with suppress(ValueError, KeyError, TypeError):  # an event whose MAC could not be checked has any form
        details = json.loads(leaf)["details"]
        named = zip(details["events"], details["leaves"], strict=True)
        return {int(index): bytes.fromhex(digest) for index, digest in named}
    return {}


def _root(size: int) -> str:
    """Return the root of the stored tree in hexadecimal, or "" if hashes are missing."""
    try:
        return tree_store.tree(size).root().hex()
    except Damaged:
        return ""


def _remember(forged: Mapping[int, bytes]) -> None:
    if not forged:
        return

    def add(kept: Checked) -> Checked:
        new = {digest.hex(): index for index, digest in forged.items() if digest.hex() not in kept.forged}
        fitting = dict(list(new.items())[: KEPT - len(kept.forged)])
        more = kept.more + len(new) - len(fitting)
        return replace(kept, forged={**kept.forged, **fitting}, more=more)

    _replace(add)


def _replace(change: Any) -> None:
    path = state_files.path_of(FILE)
    with state_files.locked(path):
        kept = checked()
        changed = change(kept)
        if changed != kept:
            state_files.replace(path, json.dumps(vars(changed)))


def forged_among(
    waiting: Sequence[tuple[Any, ...]], start: int, digests: Sequence[bytes]
) -> dict[int, bytes]:
    """Return index and leaf hash of the forged events among the rows (id, leaf, type, mac, chain, epoch)."""
    return {
        index: digest
        for index, ((_, leaf, _, *mac), digest) in enumerate(zip(waiting, digests, strict=True), start)
        if is_forged(leaf, *mac, index=index)
    }
