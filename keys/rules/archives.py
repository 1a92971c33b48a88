"""Read the files in archives as streams, within bounds, and recognise what cannot be read.

No file is written to disk. A compressed stream is read in small steps, so that a bomb takes no memory. Only
a ZIP file must be in memory as a whole, because its list of files is at its end.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from typing import Any, cast

STEP = 128 * 1024
"""Bytes that are read or unpacked at once."""
LARGEST_ZIP = 10 * 1024 * 1024
"""Bytes of a ZIP file within another archive."""
MOST_NAMES = 10_000
"""Files in one ZIP file."""
_DICTIONARY = 64 * 1024 * 1024
"""Bytes of memory for .xz. The strongest preset of xz makes files that need this much."""
_SAMPLE, _SHORTEST_SAMPLE = 1024, 32
_BLOCK = tarfile.BLOCKSIZE

UNREADABLE = (
    ((b"7z\xbc\xaf\x27\x1c",), "It is a 7z archive."),
    ((b"Rar!\x1a",), "It is a RAR archive."),
    ((b"\x28\xb5\x2f\xfd",), "It is compressed with Zstandard."),
    ((b"\x04\x22\x4d\x18",), "It is compressed with LZ4."),
    ((b"%PDF-",), "It is a PDF file."),
    ((b"\xd0\xcf\x11\xe0",), "It is an older or encrypted Office file."),
    ((b"\x89PNG", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*"), "It is an image."),
)
"""The first bytes of files in which a key would not be found, and why."""
ENCRYPTED = "It is encrypted."
DAMAGED = "It is damaged or incomplete."


class Unreadable(Exception):
    """A file, or the rest of it, cannot be read. The message is a sentence for people."""


class Stream:
    """Bytes that can be read once. ``whole``: the same as a file with ``seek``, if there is one."""

    def __init__(self, chunks: Iterable[bytes], whole: Any = None) -> None:
        self._chunks = iter(chunks)
        self._ahead = bytearray()
        self.whole = whole

    def peek(self, size: int) -> bytes:
        while len(self._ahead) < size and (chunk := next(self._chunks, b"")):
            self._ahead += chunk
        return bytes(self._ahead[:size])

    def read(self, size: int = STEP) -> bytes:
        """Return ``size`` bytes, or fewer at the end."""
        taken = self.peek(size)
        del self._ahead[:size]
        return taken

    def put_back(self, content: bytes) -> None:
        self._ahead[:0] = content

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self.read():
            yield chunk

    def part(self, size: int) -> Iterator[bytes]:
        """Yield the next ``size`` bytes in steps."""
        while size > 0:
            chunk = self.read(min(size, STEP))
            if not chunk:
                raise Unreadable(DAMAGED)
            size -= len(chunk)
            yield chunk


Files = Iterator[tuple[str, Iterable[bytes]]]
"""The name of each file, which is empty for a stream that contains one, and its content."""


def opener(beginning: bytes) -> Callable[[Stream], Files] | None:
    """Return the function that reads an archive with these first 512 bytes, or None if it is none."""
    if beginning.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")):
        return _zip
    if beginning.startswith(b"\x1f\x8b"):
        return _gzip
    if beginning.startswith(b"BZh") and beginning[4:10] in {b"1AY&SY", b"\x17\x72\x45\x38\x50\x90"}:
        return _bzip2
    if beginning.startswith((b"\xfd7zXZ\x00", b"\x5d\x00\x00")):
        return _xz
    return _tar if _is_tar(beginning) else None


def why_not(beginning: bytes) -> str:
    """Return why a file with these first bytes cannot be searched, or an empty string."""
    for starts, why in UNREADABLE:
        if beginning.startswith(starts):
            return why
    if beginning[4:8] == b"ftyp" or (beginning[:4] == b"RIFF" and beginning[8:12] == b"WEBP"):
        return "It is an image or a video."
    return ""


def looks_packed(chunk: bytes) -> bool:
    """Return whether ``chunk`` looks random, as if it were compressed or encrypted.

    Text in an old encoding has bytes above 126 too, but no control characters.
    """
    sample = chunk[:_SAMPLE]
    high = sum(byte > 126 for byte in sample)  # noqa: PLR2004 - the last ASCII character
    controls = sum(byte < 32 and byte not in b"\0\t\n\f\r\x1b" for byte in sample)  # noqa: PLR2004 - a space
    if len(sample) < _SHORTEST_SAMPLE or high < len(sample) / 4 or controls < len(sample) / 30:
        return False
    packed = zlib.compress(chunk[: 8 * _SAMPLE], 1)
    return len(sample) < _SAMPLE or len(packed) > len(chunk[: 8 * _SAMPLE]) * 0.97


def _zip(stream: Stream) -> Files:
    file = stream.whole
    if file is None:
        content = stream.read(LARGEST_ZIP + 1)
        if len(content) > LARGEST_ZIP:
            raise Unreadable("It is a ZIP file of more than 10 MB within another archive.")
        file = BytesIO(content)
    _check_names(file)
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, EOFError) as error:
        raise Unreadable(DAMAGED) from error
    with archive:
        for info in archive.infolist():
            if not info.is_dir():
                yield info.filename, _zipped(archive, info)


def _check_names(file: Any) -> None:
    """Bound the memory for the list of files, each of which has this signature."""
    file.seek(0)
    count, rest = 0, b""
    while chunk := file.read(STEP):
        count += (rest + chunk).count(b"PK\x01\x02")
        rest = chunk[-3:]
    if count > MOST_NAMES:
        raise Unreadable(f"It contains more than {MOST_NAMES:,} files.")


def _zipped(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    if info.flag_bits & 1:
        raise Unreadable(ENCRYPTED)
    if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise Unreadable("It is compressed in a way that the portal does not know.")
    try:
        with archive.open(info) as file:
            while chunk := file.read(STEP):
                yield chunk
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        OSError,
        ValueError,
        NotImplementedError,
        RuntimeError,
    ) as error:
        raise Unreadable(DAMAGED) from error


def _gzip(stream: Stream) -> Files:
    yield "", _unpacked(gzip.GzipFile(fileobj=cast("Any", stream), mode="rb").read)


def _bzip2(stream: Stream) -> Files:
    yield "", _unpacked(bz2.BZ2File(cast("Any", stream)).read)


def _xz(stream: Stream) -> Files:
    yield "", _decompressed(stream)


def _unpacked(read: Callable[[int], bytes]) -> Iterator[bytes]:
    try:
        while chunk := read(STEP):
            yield chunk
    except (EOFError, zlib.error, OSError, ValueError) as error:
        raise Unreadable(DAMAGED) from error


def _decompressed(stream: Stream) -> Iterator[bytes]:
    """Unpack .xz and .lzma. ``LZMAFile`` has no limit for memory."""
    while stream.peek(1):
        decompressor = lzma.LZMADecompressor(memlimit=_DICTIONARY + 1024 * 1024)
        try:
            while not decompressor.eof:
                chunk = stream.read() if decompressor.needs_input else b""
                if decompressor.needs_input and not chunk:
                    raise Unreadable(DAMAGED)
                yield decompressor.decompress(chunk, STEP)
        except (lzma.LZMAError, MemoryError, EOFError) as error:
            raise Unreadable(DAMAGED) from error
        stream.put_back(decompressor.unused_data.lstrip(b"\0"))


def _is_tar(beginning: bytes) -> bool:
    try:
        return bool(tarfile.TarInfo.frombuf(beginning[:_BLOCK], "utf-8", "surrogateescape").name)
    except tarfile.HeaderError:
        return False


def _tar(stream: Stream) -> Files:
    """Read each file, and the long names of files as files. ``tarfile`` would read those into memory."""
    while block := stream.read(_BLOCK):
        if not any(block):
            continue
        try:
            header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.HeaderError as error:
            raise Unreadable(DAMAGED) from error
        if header.size < 0:
            raise Unreadable(DAMAGED)
        is_extended = header.type == tarfile.GNUTYPE_SPARSE and block[482] > 0
        while is_extended:
            is_extended = bool(stream.read(_BLOCK)[504:505].strip(b"\0"))
        if header.type in {tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE}:
            continue
        content = stream.part(header.size)
        yield header.name, content
        for _ in content:
            pass
        stream.read(-header.size % _BLOCK)
