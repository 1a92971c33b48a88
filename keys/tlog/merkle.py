"""Compute roots and proofs of an RFC 6962 Merkle tree from tiles of 256 hashes.

A tile of level L holds the hashes of 256 adjacent subtrees of 256**L leaves each (C2SP "tlog-tiles").
Each root or proof reads at most two tiles per level, whatever the size of the tree.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

TILE = 256
_TILE_HEIGHT = 8
"""TILE is 2**_TILE_HEIGHT."""

Tiles = Callable[[int, int], Sequence[bytes]]
"""Called with a level and a tile's number in it; returns its hashes, fewer than 256 if it is partial."""


class Damaged(Exception):
    """The stored tree lacks a hash, so the root or proof cannot be computed."""


def leaf_hash(leaf: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


EMPTY = hashlib.sha256().digest()
"""The root of the empty tree."""


class Tree:
    """The tree of the first ``size`` leaves. ``tiles`` may contain more leaves."""

    def __init__(self, size: int, tiles: Tiles) -> None:
        self.size = size
        self._tiles = tiles
        self._read: dict[tuple[int, int], Sequence[bytes]] = {}

    def root(self) -> bytes:
        return self._hash(0, self.size) if self.size else EMPTY

    def inclusion_proof(self, index: int) -> list[bytes]:
        """Return the audit path of leaf ``index`` (RFC 6962, 2.1.1), the sibling first."""
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
        """Return the proof that this tree extends the tree of size ``earlier`` (RFC 6962, 2.1.2)."""
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
        if start:  # otherwise this hash is the earlier root, which the verifier already has
            proof.append(self._hash(start, end))
        return proof[::-1]

    def range_proof(self, start: int, end: int) -> tuple[list[bytes], list[bytes]]:
        """Return the roots of the full subtrees before leaf ``start``, and of those from leaf ``end`` on.

        A verifier combines them with the leaves in between and must get the root. This proves the leaves,
        their indexes and that none between them is missing. It needs as many hashes as two inclusion proofs.
        """
        before = [self._full_subtree(*subtree) for subtree in subtrees(0, start)]
        return before, [self._full_subtree(*subtree) for subtree in subtrees(end, self.size)]

    def _hash(self, start: int, end: int) -> bytes:
        """Return the hash of the leaves from ``start`` to before ``end``: a left-filled subtree."""
        count = end - start
        if count & (count - 1) == 0:
            return self._full_subtree(start, count)
        middle = start + _largest_power_below(count)
        return node_hash(self._full_subtree(start, middle - start), self._hash(middle, end))

    def _full_subtree(self, start: int, count: int) -> bytes:
        """Return the root over ``count`` leaves, from one tile.

        ``count`` is a power of two and ``start`` a multiple of it.
        """
        level, rest = divmod(count.bit_length() - 1, _TILE_HEIGHT)
        tile, offset = divmod(start >> (_TILE_HEIGHT * level), TILE)
        if (level, tile) not in self._read:
            self._read[level, tile] = self._tiles(level, tile)
        hashes = self._read[level, tile][offset : offset + 2**rest]
        if len(hashes) != 2**rest:
            raise Damaged(f"Hashes are missing in tile {tile} of level {level}.")
        return subtree_root(hashes)


@dataclass(frozen=True)
class Growth:
    """The tree after leaves were appended. ``nodes`` are the new full subtrees: level, index, hash."""

    size: int
    root: bytes
    nodes: list[tuple[int, int, bytes]]


def grow(size: int, partial: Sequence[Sequence[bytes]], leaves: Sequence[bytes]) -> Growth:
    """Append leaf hashes to a tree of ``size`` leaves.

    ``partial`` holds the hashes of the partial tile of each level, from the leaves up.
    """
    rows: list[Sequence[bytes]] = list(partial)
    nodes: list[tuple[int, int, bytes]] = []
    level, added = 0, list(leaves)
    while added:
        if level == len(rows):
            rows.append([])
        row = [*rows[level], *added]
        full = len(row) // TILE
        added = [subtree_root(row[TILE * tile : TILE * (tile + 1)]) for tile in range(full)]
        rows[level] = row[TILE * full :]
        level += 1
        first = size >> (_TILE_HEIGHT * level)
        nodes += [(level, index, digest) for index, digest in enumerate(added, first)]
    grown = size + len(leaves)
    return Growth(grown, Tree(grown, lambda level, _tile: rows[level]).root(), nodes)


def subtree_root(hashes: Sequence[bytes]) -> bytes:
    """Return the root over ``hashes``, whose number is a power of two."""
    while len(hashes) > 1:
        hashes = [node_hash(hashes[index], hashes[index + 1]) for index in range(0, len(hashes), 2)]
    return hashes[0]


def subtrees(start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield first leaf and size of the largest full subtrees that cover the leaves ``start`` to ``end``."""
    while start < end:
        count = 1 << (end - start).bit_length() - 1
        if start:
            count = min(count, start & -start)
        yield start, count
        start += count


def partial_tiles(size: int) -> list[tuple[int, int]]:
    """Return the start and end index of the partial tile of each level, from the leaves up."""
    found, count = [], size
    while count:
        found.append((count - count % TILE, count))
        count //= TILE
    return found


def _largest_power_below(count: int) -> int:
    return 1 << ((count - 1).bit_length() - 1)
