"""Write the audit log as C2SP "tlog-tiles", which standard transparency log tools can check."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from keys.audit import tree_store
from keys.models import Checkpoint, Sealed
from keys.tlog.merkle import TILE

GROUP = 1000
"""A tile's path has its number in groups of three digits."""


def write_tiles(folder: Path) -> Checkpoint | None:
    """Write the tiles of the newest checkpoint to ``folder`` and return it, or None if there is none.

    A second run into the same folder only adds new tiles, because existing tiles never change.
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
    """Yield level, number and width of each tile of a tree. The last tile of a level may be partial."""
    level, count = 0, size
    while count:
        full, rest = divmod(count, TILE)
        yield from ((level, number, TILE) for number in range(full))
        if rest:
            yield level, full, rest
        level, count = level + 1, full


def path_of(number: int, width: int) -> Path:
    """Return a path such as ``x001/x234/067`` for tile 1,234,067 or ``000.p/7`` for a partial tile."""
    groups = [f"{number % GROUP:03}"]
    while number := number // GROUP:
        groups.insert(0, f"x{number % GROUP:03}")
    path = Path(*groups)
    return path if width == TILE else path.with_name(f"{path.name}.p") / str(width)


def _entries(number: int, width: int) -> bytes:
    """Return the leaves of a tile, each preceded by its length in two bytes."""
    within = {"index__gte": number * TILE, "index__lt": number * TILE + width}
    leaves = Sealed.objects.filter(**within).order_by("index").values_list("event__leaf", flat=True)
    return b"".join(len(leaf).to_bytes(2, "big") + bytes(leaf) for leaf in leaves)


def _write(path: Path, data: bytes) -> None:
    """Write atomically, because another program may be reading the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    draft.write_bytes(data)
    draft.replace(path)
