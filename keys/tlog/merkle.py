"""A Merkle tree as RFC 6962 defines it: roots and proofs, from tiles of 256 hashes.

A tile of level L holds the hashes of 256 neighbouring subtrees of 256**L leaves each (C2SP, "tlog-tiles").
Whatever is asked of a tree of any size reads at most two tiles of each level.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

TILE = 256
_STEP = 8
"""TILE is two to the power of this."""

Tiles = Callable[[int, int], Sequence[bytes]]
"""From a level and a tile's number within it to the tile's hashes, as many as there are."""


class Damaged(Exception):
    """The stored tree lacks a hash, so that nothing can be said about it."""


def leaf_hash(leaf: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


EMPTY = hashlib.sha256().digest()
"""The root of a tree without leaves."""


class Tree:
    """The tree of the first ``size`` leaves, of which ``tiles`` may hold more."""

    def __init__(self, size: int, tiles: Tiles) -> None:
        self.size = size
        self._tiles = tiles
        self._read: dict[tuple[int, int], Sequence[bytes]] = {}

    def root(self) -> bytes:
        return self._hash(0, self.size) if self.size else EMPTY

    def inclusion_proof(self, index: int) -> list[bytes]:
        """The audit path of leaf ``index`` (RFC 6962, 2.1.1), its neighbour first."""
        if not 0 <= index < self.size:
            raise ValueError(f"A tree of {self.size} leaves has no leaf {index}.")
        start, end, proof = 0, self.size, list[bytes]()
        while end - start > 1:
            middle = start + _largest_power_below(end - start)
            if index < middle:
                proof.append(self._hash(middle, end))
                end = middle
            else:
                proof.append(self._hash(start, middle))
                start = middle
        return proof[::-1]

    def consistency_proof(self, earlier: int) -> list[bytes]:
        """That the tree of the first ``earlier`` leaves is the beginning of this one (RFC 6962, 2.1.2)."""
        if not 0 <= earlier <= self.size:
            raise ValueError(f"A tree of {self.size} leaves was never one of {earlier}.")
        if earlier in {0, self.size}:
            return []
        start, end, proof = 0, self.size, list[bytes]()
        while earlier < end:
            middle = start + _largest_power_below(end - start)
            if earlier <= middle:
                proof.append(self._hash(middle, end))
                end = middle
            else:
                proof.append(self._hash(start, middle))
                start = middle
        if start:  # else the earlier root is known to whoever asks
            proof.append(self._hash(start, end))
        return proof[::-1]

    def around(self, start: int, end: int) -> tuple[list[bytes], list[bytes]]:
        """The roots of the full subtrees before leaf ``start``, and from leaf ``end`` on, left to right.

        Together with the leaves in between they give the root: that proves the leaves, their places, and
        that none between them is missing, with as many hashes as two inclusion proofs.
        """
        before = [self._full(*part) for part in subtrees(0, start)]
        return before, [self._full(*part) for part in subtrees(end, self.size)]

    def _hash(self, start: int, end: int) -> bytes:
        """Of the leaves from ``start`` to before ``end``, which are a subtree of some tree that grew."""
        count = end - start
        if count & (count - 1) == 0:
            return self._full(start, count)
        middle = start + _largest_power_below(count)
        return node_hash(self._full(start, middle - start), self._hash(middle, end))

    def _full(self, start: int, count: int) -> bytes:
        """Of ``count`` leaves, a power of two, from a multiple of it on: they come out of one tile."""
        level, rest = divmod(count.bit_length() - 1, _STEP)
        tile, place = divmod(start >> (_STEP * level), TILE)
        if (level, tile) not in self._read:
            self._read[level, tile] = self._tiles(level, tile)
        hashes = self._read[level, tile][place : place + 2**rest]
        if len(hashes) != 2**rest:
            raise Damaged(f"Hashes are missing in tile {tile} of level {level}.")
        return merged(hashes)


@dataclass(frozen=True)
class Growth:
    """``nodes`` are the new full subtrees: level, index within the level, hash."""

    size: int
    root: bytes
    nodes: list[tuple[int, int, bytes]]


def grow(size: int, edge: Sequence[Sequence[bytes]], leaves: Sequence[bytes]) -> Growth:
    """Append ``leaves``, hashes, to a tree of ``size`` leaves.

    ``edge`` holds, for each level from the leaves up, the hashes of the tile that is not full yet.
    """
    rows: list[Sequence[bytes]] = list(edge)
    nodes: list[tuple[int, int, bytes]] = []
    level, added = 0, list(leaves)
    while added:
        if level == len(rows):
            rows.append([])
        row = [*rows[level], *added]
        full = len(row) // TILE
        added = [merged(row[TILE * tile : TILE * (tile + 1)]) for tile in range(full)]
        rows[level] = row[TILE * full :]
        level += 1
        first = size >> (_STEP * level)
        nodes += [(level, first + place, digest) for place, digest in enumerate(added)]
    grown = size + len(leaves)
    return Growth(grown, Tree(grown, lambda level, _tile: rows[level]).root(), nodes)


def merged(hashes: Sequence[bytes]) -> bytes:
    """The root over hashes, as many as a power of two."""
    while len(hashes) > 1:
        hashes = [node_hash(hashes[place], hashes[place + 1]) for place in range(0, len(hashes), 2)]
    return hashes[0]


def subtrees(start: int, end: int) -> Iterator[tuple[int, int]]:
    """The largest full subtrees that cover the leaves from ``start`` to before ``end``: first leaf, count."""
    while start < end:
        count = 1 << (end - start).bit_length() - 1
        if start:
            count = min(count, start & -start)
        yield start, count
        start += count


def edge_of(size: int) -> list[tuple[int, int]]:
    """For each level from the leaves up: from which index, to before which, the last tile is not full."""
    found, count = [], size
    while count:
        found.append((count - count % TILE, count))
        count //= TILE
    return found


def _largest_power_below(count: int) -> int:
    return 1 << ((count - 1).bit_length() - 1)
