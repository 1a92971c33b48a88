"""The Merkle tree: known answers, and every proof compared with a naive tree from RFC 6962's definition."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keys.tlog.merkle import EMPTY, TILE, Damaged, Tree, grow, leaf_hash, node_hash, partial_tiles
from tests.support.cases import in_one_test

# The test data of the reference implementation of RFC 6962.
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
PATHS = {
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
}


class Store:
    """A tree stored as in the database: leaf hashes and the nodes that ``grow`` returned."""

    def __init__(self) -> None:
        self.levels: list[list[bytes]] = [[]]
        self.root = EMPTY

    @property
    def size(self) -> int:
        return len(self.levels[0])

    def add(self, leaves: list[bytes]) -> None:
        edge = [self.levels[level][start:end] for level, (start, end) in enumerate(partial_tiles(self.size))]
        growth = grow(self.size, edge, leaves)
        self.levels[0] += leaves
        for level, index, digest in growth.nodes:
            if level == len(self.levels):
                self.levels.append([])
            assert index == len(self.levels[level])
            self.levels[level].append(digest)
        assert growth.size == self.size
        self.root = growth.root

    def tree(self, size: int) -> Tree:
        return Tree(size, lambda level, tile: self.levels[level][TILE * tile : TILE * (tile + 1)])


def stored(*batches: int) -> Store:
    store = Store()
    for count in batches:
        store.add([leaf_hash(str(store.size + n).encode()) for n in range(count)])
    return store


def naive(leaves: list[bytes]) -> bytes:
    """Compute MTH exactly as RFC 6962, section 2.1 defines it."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    middle = 1
    while middle * 2 < len(leaves):
        middle *= 2
    return node_hash(naive(leaves[:middle]), naive(leaves[middle:]))


def from_path(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """Compute the root from an inclusion proof (RFC 9162, section 2.1.3.2)."""
    place, last, root = index, size - 1, leaf
    for sibling in path:
        assert last > 0
        if place % 2 or place == last:
            root = node_hash(sibling, root)
            while place % 2 == 0 and place:
                place, last = place >> 1, last >> 1
        else:
            root = node_hash(root, sibling)
        place, last = place >> 1, last >> 1
    assert last == 0
    return root


def from_consistency(
    earlier: int, later: int, earlier_root: bytes, proof: list[bytes]
) -> tuple[bytes, bytes]:
    """Compute both roots from a consistency proof (RFC 9162, section 2.1.4.2)."""
    if earlier & (earlier - 1) == 0:
        proof = [earlier_root, *proof]
    place, last = earlier - 1, later - 1
    while place % 2:
        place, last = place >> 1, last >> 1
    old = new = proof[0]
    for digest in proof[1:]:
        assert last > 0
        if place % 2 or place == last:
            old, new = node_hash(digest, old), node_hash(digest, new)
            while place % 2 == 0 and place:
                place, last = place >> 1, last >> 1
        else:
            new = node_hash(new, digest)
        place, last = place >> 1, last >> 1
    assert last == 0
    return old, new


@in_one_test("size", range(9))
def test_roots_match_the_reference(size):
    store = Store()
    store.add([leaf_hash(leaf) for leaf in LEAVES[:size]])
    assert store.tree(size).root().hex() == ROOTS[size]
    assert naive(store.levels[0]).hex() == ROOTS[size]


@in_one_test("index, size", PATHS)
def test_audit_paths_match_the_reference(index, size):
    store = Store()
    store.add([leaf_hash(leaf) for leaf in LEAVES])
    assert [digest.hex() for digest in store.tree(size).inclusion_proof(index)] == PATHS[index, size]


@settings(max_examples=40)
@given(st.lists(st.integers(0, 700), min_size=1, max_size=5), st.data())
def test_every_root_and_proof_matches_the_naive_tree(batches, data):
    store = stored(*batches)
    leaves = store.levels[0]
    assert store.root == naive(leaves)
    size = data.draw(st.integers(0, store.size))
    root = store.tree(size).root()
    assert root == naive(leaves[:size])
    if size:
        index = data.draw(st.integers(0, size - 1))
        path = store.tree(size).inclusion_proof(index)
        assert from_path(leaves[index], index, size, path) == root
        proof = store.tree(store.size).consistency_proof(size)
        if size < store.size:
            assert from_consistency(size, store.size, root, proof) == (root, store.root)
        else:
            assert proof == []


def test_a_large_tree_needs_few_tiles():
    """66,000 leaves make three levels. All have the same hash, which is allowed."""
    store = Store()
    for _ in range(3):
        store.add([leaf_hash(b"")] * 22_000)
    read: list[tuple[int, int]] = []

    def tiles(level: int, tile: int) -> list[bytes]:
        read.append((level, tile))
        return store.levels[level][TILE * tile : TILE * (tile + 1)]

    assert Tree(store.size, tiles).root() == store.root
    assert len(read) <= 3
    for ask, number in ((Tree.inclusion_proof, 12_345), (Tree.consistency_proof, 54_321)):
        read.clear()
        ask(Tree(store.size, tiles), number)
        assert len(read) == len(set(read)) <= 6


def test_a_missing_hash_raises_damaged():
    store = stored(600)
    del store.levels[1][1]
    with pytest.raises(Damaged, match="tile 0 of level 1"):
        store.tree(600).root()
    with pytest.raises(ValueError, match="no leaf 600"):
        store.tree(600).inclusion_proof(600)
    with pytest.raises(ValueError, match="never one of 601"):
        store.tree(600).consistency_proof(601)


def test_growing_one_by_one_and_at_once_is_equal():
    at_once, one_by_one = stored(TILE * 2 + 3), stored(*[1] * (TILE * 2 + 3))
    assert at_once.levels == one_by_one.levels
    assert at_once.root == one_by_one.root
    sizes = [len(level) for level in at_once.levels]
    assert all(above == below // TILE for below, above in pairwise(sizes))
