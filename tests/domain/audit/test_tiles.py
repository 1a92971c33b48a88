"""The log as tiles for other tools, checked here against the published format only."""

from __future__ import annotations

import hashlib
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from keys.audit import tiles
from keys.models import Sealed
from keys.tlog.checkpoint import signer
from keys.verifier.verify_bundle import known_keys, read_note
from tests.domain.audit.test_signing import seal_and_sign
from tests.support.bundle_writer import root_of
from tests.support.cases import in_one_test

HASH = 32


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def merged(hashes: list[bytes]) -> bytes:
    """Compute the root over hashes (RFC 6962, 2.1)."""
    if len(hashes) == 1:
        return hashes[0]
    half = 1
    while half * 2 < len(hashes):
        half *= 2
    return sha256(b"\1" + merged(hashes[:half]) + merged(hashes[half:]))


def hashes_in(folder: Path, level: int, count: int) -> list[bytes]:
    """Read the first ``count`` hashes of a level from its tiles, with the specification's paths."""
    found: list[bytes] = []
    for number in range((count + 255) // 256):
        width = min(256, count - number * 256)
        data = (folder / "tile" / str(level) / path(number, width)).read_bytes()
        assert len(data) == width * HASH
        found += [data[start : start + HASH] for start in range(0, len(data), HASH)]
    return found


def path(number: int, width: int) -> str:
    parts = [f"{number // 1000**place % 1000:03}" for place in range(2, -1, -1)]
    while len(parts) > 1 and parts[0] == "000":
        parts.pop(0)
    text = "/".join([f"x{part}" for part in parts[:-1]] + parts[-1:])
    return text if width == 256 else f"{text}.p/{width}"


def entries_in(folder: Path, count: int) -> list[bytes]:
    found = []
    for number in range((count + 255) // 256):
        data = (folder / "tile" / "entries" / path(number, min(256, count - number * 256))).read_bytes()
        while data:
            length = int.from_bytes(data[:2], "big")
            found.append(data[2 : 2 + length])
            data = data[2 + length :]
    return found


def root_from_tiles(folder: Path, size: int) -> bytes:
    """Compute the root from each level's partial tile; full tiles are hashed on the level above."""
    root: bytes | None = None
    level, count = 0, size
    while count:
        hashes = hashes_in(folder, level, count)
        rest = hashes[count - count % 256 :]
        for width in (1 << bit for bit in range(8)):
            if len(rest) & width:
                right = merged(rest[len(rest) // (2 * width) * 2 * width :][:width])
                root = right if root is None else sha256(b"\1" + right + root)
        level, count = level + 1, count // 256
    assert root is not None
    return root


@pytest.mark.parametrize("size", [1, 3, 255, 256, 257, 700])
def test_the_tiles_give_the_root(signed_here, tmp_path, size):
    checkpoint = seal_and_sign(size)
    call_command("audit_tiles", tmp_path, stdout=StringIO())
    entries = entries_in(tmp_path, size)
    assert len(entries) == size
    assert hashes_in(tmp_path, 0, size) == [sha256(b"\0" + entry) for entry in entries]
    point = read_note((tmp_path / "checkpoint").read_text(), known_keys([signer().vkey]))
    assert (point.size, point.root) == (size, root_from_tiles(tmp_path, size))
    assert point.root == root_of(entries) == bytes(checkpoint.root)


def test_a_second_run_writes_only_new_tiles(signed_here, tmp_path):
    seal_and_sign(300)
    tiles.write_tiles(tmp_path)
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "tile").rglob("*") if file.is_file()}
    seal_and_sign(10)
    tiles.write_tiles(tmp_path)
    assert {file: file.stat().st_mtime_ns for file in before} == before
    assert (tmp_path / "tile" / "0" / "001.p" / "54").is_file()
    assert read_note((tmp_path / "checkpoint").read_text(), known_keys([signer().vkey])).size == 310


def test_unsigned_events_are_not_in_the_tiles(signed_here, tmp_path):
    seal_and_sign(2)
    from keys.jobs.sealing import seal_all
    from tests.domain.audit.test_signing import ME
    from tests.support.sealed_log import add_events

    add_events(3)
    seal_all(ME)
    tiles.write_tiles(tmp_path)
    assert Sealed.objects.count() == 5
    assert len(entries_in(tmp_path, 2)) == 2


@in_one_test(
    "number, width, expected",
    [(0, 256, "000"), (67, 256, "067"), (1234067, 256, "x001/x234/067"), (1000, 256, "x001/000"), (0, 7, "000.p/7"), (1234067, 255, "x001/x234/067.p/255")],
)  # fmt: skip
def test_tile_paths_match_the_specification(number, width, expected):
    assert str(tiles.path_of(number, width)) == expected


def test_a_tree_of_70000_matches_the_specifications_example():
    found = list(tiles.tiles_of(70_000))
    full = {level: sum(1 for at, _, width in found if at == level and width == 256) for level in (0, 1, 2)}
    partial = {at: width for at, _, width in found if width < 256}
    assert (full, partial) == ({0: 273, 1: 1, 2: 0}, {0: 112, 1: 17, 2: 1})


def test_the_command_reports_that_nothing_is_signed(signed_here, tmp_path):
    with pytest.raises(CommandError, match="No checkpoint is signed yet"):
        call_command("audit_tiles", tmp_path)
