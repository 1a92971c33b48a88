"""The tree as the database keeps it."""

from __future__ import annotations

from collections.abc import Iterator

from keys.models import Sealed, TreeHead, TreeNode
from keys.tlog.merkle import EMPTY, TILE, Damaged, Tree, edge_of, merged


def head() -> TreeHead:
    """How far the tree goes; before anything was ever sealed there is no row, and nothing to save it for."""
    return TreeHead.objects.first() or TreeHead(root=EMPTY)


def tree(size: int) -> Tree:
    """The tree of the first ``size`` sealed events. What it is asked raises ``tree.Damaged``."""
    return Tree(size, tile)


def tile(level: int, number: int) -> list[bytes]:
    """The hashes of tile ``number`` of a level, as many as there are."""
    return _hashes(level, number * TILE, (number + 1) * TILE)


def wrong_tiles(size: int) -> Iterator[tuple[int, int]]:
    """Over which events, from one to before another, a stored hash is not the one of the tile below it.

    A tile that is not whole is passed over: what is gone from it shows there.
    """
    level, leaves = 1, TILE
    while leaves <= size:
        row: list[bytes] = []
        for index in range(size // leaves):
            if index % TILE == 0:
                row = tile(level, index // TILE)
            below, place = tile(level - 1, index), index % TILE
            if len(below) == TILE and row[place : place + 1] != [merged(below)]:
                yield index * leaves, (index + 1) * leaves
        level, leaves = level + 1, leaves * TILE


def contradicts(size: int, root: bytes) -> bool:
    """Whether the stored tree of ``size`` events has another root. One that lacks a hash has none to tell."""
    try:
        return tree(size).root() != root
    except Damaged:
        return False


def edge(size: int) -> list[list[bytes]]:
    """What ``tree.grow`` needs to know of a tree of ``size`` leaves: one short read for each level."""
    return [_hashes(level, start, end) for level, (start, end) in enumerate(edge_of(size))]


def _hashes(level: int, start: int, end: int) -> list[bytes]:
    """Those of a level from index ``start`` to before ``end``; a gap ends them."""
    within = {"index__gte": start, "index__lt": end}
    if level == 0:
        rows = list(Sealed.objects.filter(**within).order_by("index").values_list("index", "leaf_hash"))
    else:
        nodes = TreeNode.objects.filter(level=level, **within).order_by("index")
        rows = list(nodes.values_list("index", "hash"))
    return [bytes(digest) for place, (index, digest) in enumerate(rows, start) if index == place]
