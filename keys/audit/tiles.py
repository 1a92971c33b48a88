"""Write the record as tiles (C2SP, "tlog-tiles"), which the tools of any transparency log can check."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from keys.audit import tree_store
from keys.models import Checkpoint, Sealed
from keys.tlog.merkle import TILE

GROUP = 1000
"""A tile's number is written in groups of three digits."""


def write_tiles(folder: Path) -> Checkpoint | None:
    """Write what the newest checkpoint signs to ``folder``, and return that; None where there is none.

    Into the same folder again, it adds what is new: no tile that is there ever changes.
    """
    checkpoint = Checkpoint.objects.order_by("-size").first()
    if checkpoint is None:
        return None
    for level, number, width in tiles_of(checkpoint.size):
        path = folder / "tile" / str(level) / path_of(number, width)
        if not path.exists():
            _write(path, b"".join(tree_store.tile(level, number)[:width]))
        entries = folder / "tile" / "entries" / path_of(number, width)
        if level == 0 and not entries.exists():
            _write(entries, _entries(number, width))
    _write(folder / "checkpoint", checkpoint.note.encode())
    return checkpoint


def tiles_of(size: int) -> Iterator[tuple[int, int, int]]:
    """Level, number and width of the tiles of a tree of ``size`` leaves; a level's last may be narrow."""
    level, count = 0, size
    while count:
        full, rest = divmod(count, TILE)
        yield from ((level, number, TILE) for number in range(full))
        if rest:
            yield level, full, rest
        level, count = level + 1, full


def path_of(number: int, width: int) -> Path:
    """Such as ``x001/x234/067`` for tile 1,234,067, and ``000.p/7`` for the first one with 7 hashes."""
    groups = [f"{number % GROUP:03}"]
    while number := number // GROUP:
        groups.insert(0, f"x{number % GROUP:03}")
    path = Path(*groups)
    return path if width == TILE else path.with_name(f"{path.name}.p") / str(width)


def _entries(number: int, width: int) -> bytes:
    """The events of a tile of leaves, each after its length in two bytes."""
    within = {"index__gte": number * TILE, "index__lt": number * TILE + width}
    leaves = Sealed.objects.filter(**within).order_by("index").values_list("event__leaf", flat=True)
    return b"".join(len(leaf).to_bytes(2, "big") + bytes(leaf) for leaf in leaves)


def _write(path: Path, data: bytes) -> None:
    """All of it or nothing: a reader may look at any moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    draft.write_bytes(data)
    draft.replace(path)
