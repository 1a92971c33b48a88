"""Stream a .zip while it is written, without a file and with constant memory."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Self

CHUNK = 65_536
"""Approximate size of a yielded chunk, in bytes."""


class _Pipe(io.RawIOBase):
    """Collect zipfile's output. Because it cannot seek, sizes and checksums are written after each file."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        self.size += len(data)
        return len(data)

    def take(self) -> bytes:
        data = b"".join(self._parts)
        self._parts, self.size = [], 0
        return data


@dataclass(frozen=True)
class Written:
    """Hash, size in bytes and number of lines of a file in the .zip."""

    sha256: str
    size: int
    lines: int


class ZipStream:
    """A .zip under construction. ``add`` and ``end`` yield the bytes that are ready to be sent."""

    def __init__(self) -> None:
        self._pipe = _Pipe()
        self._zip = zipfile.ZipFile(self._pipe, "w", zipfile.ZIP_DEFLATED)
        self.written: dict[str, Written] = {}

    def add(self, name: str, lines: Iterable[str]) -> Iterator[bytes]:
        digest, size, count = hashlib.sha256(), 0, 0
        with self._zip.open(name, "w", force_zip64=True) as file:
            for text in lines:
                data = text.encode()
                file.write(data)
                digest.update(data)
                size, count = size + len(data), count + 1
                if self._pipe.size > CHUNK:
                    yield self._pipe.take()
        self.written[name] = Written(digest.hexdigest(), size, count)
        yield self._pipe.take()

    def end(self) -> Iterator[bytes]:
        self._zip.close()
        yield self._pipe.take()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()
