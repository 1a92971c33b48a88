"""Read the Merkle tree from the database."""

from __future__ import annotations

from collections.abc import Iterator

from keys.models import Sealed, TreeHead, TreeNode
from keys.tlog.merkle import EMPTY, TILE, Damaged, Tree, partial_tiles, subtree_root


def head() -> TreeHead:
    """Return the tree head; an unsaved, empty one if no event has been sealed yet."""
    return TreeHead.objects.first() or TreeHead(root=EMPTY)


def tree(size: int) -> Tree:
    """Return the tree of the first ``size`` sealed events. Its methods can raise ``merkle.Damaged``."""
    return Tree(size, tile)


def tile(level: int, number: int) -> list[bytes]:
    """Return the hashes of tile ``number`` of a level, fewer than 256 if the tile is partial."""
    return _hashes(level, number * TILE, (number + 1) * TILE)


def wrong_tiles(size: int) -> Iterator[tuple[int, int]]:
    """Yield the range of events under each stored hash that does not match the tile below it.

    A tile with missing hashes is skipped here, because its missing hashes are reported themselves.
    """
    level, leaves = 1, TILE
    while leaves <= size:
        row: list[bytes] = []
        for index in range(size // leaves):
            if index % TILE == 0:
                row = tile(level, index // TILE)
            below, offset = tile(level - 1, index), index % TILE
            if len(below) == TILE and row[offset : offset + 1] != [subtree_root(below)]:
                yield index * leaves, (index + 1) * leaves
        level, leaves = level + 1, leaves * TILE


def has_other_root(size: int, root: bytes) -> bool:
    """Return whether the root of the stored tree differs from ``root``; False if hashes are missing."""
    try:
        return tree(size).root() != root
    except Damaged:
        return False


def partial_tile_hashes(size: int) -> list[list[bytes]]:
    """Return the hashes of the partial tile of each level, as ``merkle.grow`` needs them."""
    return [_hashes(level, start, end) for level, (start, end) in enumerate(partial_tiles(size))]


def _hashes(level: int, start: int, end: int) -> list[bytes]:
    """Return a level's hashes from index ``start`` to before ``end``, up to the first gap."""
    within = {"index__gte": start, "index__lt": end}
    if level == 0:
        rows = list(Sealed.objects.filter(**within).order_by("index").values_list("index", "leaf_hash"))
    else:
        nodes = TreeNode.objects.filter(level=level, **within).order_by("index")
        rows = list(nodes.values_list("index", "hash"))
    return [bytes(digest) for expected, (index, digest) in enumerate(rows, start) if index == expected]
