"""Yield all that may be a key in texts and files: in archives, and below the usual encodings.

The search is bounded in time, memory and depth. What it could not read is remembered, because a key in it
may be the portal's.
"""

from __future__ import annotations

import codecs
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.views.decorators.debug import sensitive_variables

from keys.rules import archives, wrappings
from keys.rules.archives import Stream, Unreadable
from keys.rules.key_text import Lately, candidates_in, decoded, without_keys

SECONDS = 45
LARGEST_UNPACKED = 100 * 1024 * 1024
"""Bytes of all files in archives together."""
MOST_FILES = 10_000
DEEPEST = 8
"""Archives within each other; .tar.gz counts as two."""
MOST_LAYERS = 4
"""Encodings within each other."""
MOST_REPORTED = 20
LONG = 1024 * 1024
"""Bytes after which a search is long."""
OVERLAP = 8 * 1024
"""Characters of a text that are searched again with the next part. A wrapped key may be so long."""
_LONGEST_NAME = 80


@dataclass(frozen=True)
class Unread:
    """A file, or a part of it, that was not searched. ``why`` is a sentence."""

    name: str
    why: str


class _Enough(Exception):
    """The search has reached a bound."""


class LeakSearch:
    """One search. ``before_long`` is called once, as soon as the search turns out to be long.

    ``more_unread``: how many parts there are in addition to those in ``unread``.
    """

    def __init__(self, before_long: Callable[[], None] = lambda: None) -> None:
        self.unread: list[Unread] = []
        self.more_unread = 0
        self._before_long = before_long
        self._lately, self._values = Lately(), Lately()
        self._ends = time.monotonic() + SECONDS
        self._read = self._unpacked = self._files = 0

    @sensitive_variables()
    def in_text(self, text: str) -> Iterator[str]:
        yield from self._bounded("The text", self._in_chunks([text], "The text", 0))

    @sensitive_variables()
    def in_file(self, file: Any) -> Iterator[str]:
        """Search ``file``, which is open and can ``seek``."""
        name = _short(getattr(file, "name", None) or "The file")
        file.seek(0)
        stream = Stream(iter(lambda: file.read(archives.STEP), b""), whole=file)
        yield from self._bounded(name, self._in_stream(stream, name, 0))

    @sensitive_variables()
    def _bounded(self, name: str, candidates: Iterator[str]) -> Iterator[str]:
        try:
            yield from candidates
        except _Enough as bound:
            self._cannot_read(name, str(bound))
        except Unreadable as unreadable:
            self._cannot_read(name, str(unreadable))

    @sensitive_variables()
    def _in_stream(self, stream: Stream, name: str, depth: int) -> Iterator[str]:
        beginning = stream.peek(512)
        opener = archives.opener(beginning)
        if why := archives.why_not(beginning):
            self._cannot_read(name, why)
        elif opener and depth < DEEPEST:
            yield from self._in_archive(opener(stream), name, depth + 1)
            return
        elif opener:
            self._cannot_read(name, f"It is an archive within {DEEPEST} others.")
        yield from self._in_chunks(decoded(self._watched(stream, name)), name, depth)

    @sensitive_variables()
    def _in_archive(self, files: archives.Files, name: str, depth: int) -> Iterator[str]:
        for inner_name, content in files:
            self._files += 1
            if self._files > MOST_FILES:
                raise _Enough(f"It contains more than {MOST_FILES:,} files. The others were not searched.")
            path = f"{name}: {_short(inner_name)}" if inner_name else name
            yield from candidates_in([inner_name], self._lately)
            try:
                yield from self._in_stream(Stream(self._counted(content)), path, depth)
            except Unreadable as unreadable:
                self._cannot_read(path, str(unreadable))

    def _counted(self, content: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in content:
            self._unpacked += len(chunk)
            if self._unpacked > LARGEST_UNPACKED:
                raise _Enough("Unpacked, it has more than 100 MB. Only the first 100 MB were searched.")
            self._check_time()
            yield chunk

    def _watched(self, content: Iterable[bytes], name: str) -> Iterator[bytes]:
        """Pass ``content`` on. Report it if it looks packed, unless it was reported as unreadable."""
        is_done = any(part.name == name for part in self.unread)
        for chunk in content:
            is_done = is_done or chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
            if not is_done and archives.looks_packed(chunk):
                is_done = True
                self._cannot_read(name, "Part of it looks compressed or encrypted.")
            yield chunk

    @sensitive_variables()
    def _in_chunks(self, chunks: Iterable[str], name: str, depth: int) -> Iterator[str]:
        overlap = ""
        for chunk in chunks:
            for start in range(0, len(chunk), archives.STEP):
                window = overlap + chunk[start : start + archives.STEP]
                self._note_length(len(window))
                yield from self._in_window(window, name, depth, MOST_LAYERS)
                overlap = window[-OVERLAP:]

    @sensitive_variables()
    def _in_window(self, text: str, name: str, depth: int, layers: int) -> Iterator[str]:
        self._check_time()
        yield from candidates_in([text], self._lately)
        if not layers:
            return
        for run in wrappings.joined(text):
            yield from candidates_in([run], self._lately)
        for content in wrappings.encoded_values(text, self._values):
            if depth < DEEPEST and (wrappings.is_packed(content) or archives.why_not(content)):
                yield from self._in_archive(iter([("encoded value", [content])]), name, depth + 1)
            else:
                yield from self._in_window("".join(decoded([content])), name, depth, layers - 1)
        for plain in wrappings.undone(text, fields=layers == MOST_LAYERS):
            yield from self._in_window(plain, name, depth, layers - 1)

    def _note_length(self, length: int) -> None:
        was_short = self._read <= LONG
        self._read += length
        if was_short and self._read > LONG:
            self._before_long()
            self._ends = time.monotonic() + SECONDS

    def _check_time(self) -> None:
        if time.monotonic() > self._ends:
            raise _Enough(f"The search was stopped after {SECONDS} seconds. Search it in smaller parts.")

    def _cannot_read(self, name: str, why: str) -> None:
        found = Unread(name, why)
        if len(self.unread) >= MOST_REPORTED:
            self.more_unread += 1
        elif found not in self.unread:
            self.unread.append(found)


def _short(name: str) -> str:
    """Return the last part of a file's name as printable text. It may contain a key."""
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    shown = "".join(character for character in last if character.isprintable())
    return without_keys(shown[:_LONGEST_NAME]) or "a file"
