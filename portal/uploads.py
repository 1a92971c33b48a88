"""Keep uploads in memory, within limits for each page and each process, and never write them to disk."""

from __future__ import annotations

import threading
from collections.abc import Callable
from io import BytesIO
from mmap import mmap
from typing import TYPE_CHECKING, Any, TypeVar

from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler

HELD_AT_ONCE = 50 * 1024 * 1024
"""Bytes of all uploads in this process."""

if TYPE_CHECKING:
    _UploadedFile = UploadedFile[Any]
else:
    _UploadedFile = UploadedFile

View = TypeVar("View", bound=Callable[..., Any])


def accepts_upload(largest: int) -> Callable[[View], View]:
    """Let a view receive files of ``largest`` bytes altogether. The files of any other view are dropped."""

    def mark(view: View) -> View:
        view.largest_upload = largest  # type: ignore[attr-defined]
        return view

    return mark


class _Memory:
    """Part of the memory for uploads, until ``release``, which is also called at the end of its life."""

    _lock = threading.Lock()
    _held = 0

    def __init__(self) -> None:
        self._mine = 0

    def take(self, size: int) -> bool:
        """Return whether there was room for ``size`` more bytes."""
        with _Memory._lock:
            if _Memory._held + size > HELD_AT_ONCE:
                return False
            _Memory._held += size
            self._mine += size
        return True

    def release(self) -> None:
        with _Memory._lock:
            _Memory._held -= self._mine
            self._mine = 0

    def __del__(self) -> None:
        self.release()


class Upload(_UploadedFile):
    """A file in memory. Its content is empty if it was too large, or if there was ``no_room``.

    ``size`` is the size of the file that was sent, so that a form can report it.
    """

    DEFAULT_CHUNK_SIZE = 256 * 1024

    def __init__(self, content: Any, memory: _Memory, *, no_room: bool, **about: Any) -> None:
        super().__init__(file=content, **about)
        self.no_room = no_room
        self._memory = memory

    def close(self) -> None:
        """Return the memory to the operating system."""
        super().close()
        self._memory.release()


class InMemoryUpload(FileUploadHandler):
    """Replace Django's handlers, which write files above 2.5 MB to a temporary file."""

    def __init__(self, request: Any = None) -> None:
        super().__init__(request)
        self._received = self._written = self._largest = 0
        self._begin()

    def _begin(self) -> None:
        self._content: mmap | None = None
        self._memory, self._no_room, self._written = _Memory(), False, 0

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        if self.request is not None:
            match = self.request.resolver_match
            self._largest = getattr(match.func, "largest_upload", 0) if match else 0
            self.request = None  # a cycle would keep the content of an interrupted upload for long
        self._begin()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:  # noqa: ARG002 - Django's signature
        self._received += len(raw_data)
        if self._no_room or self._received > self._largest:
            self._drop()
        elif self._memory.take(len(raw_data)):
            if self._content is None:
                self._content = mmap(-1, self._largest)  # takes memory only for the pages that are written
            self._written += self._content.write(raw_data)
        else:
            self._no_room = True
            self._drop()

    def _drop(self) -> None:
        if self._content is not None:
            self._content.close()
        self._content, self._written = None, 0
        self._memory.release()

    def file_complete(self, file_size: int) -> Upload:
        content: Any = BytesIO()
        if self._content is not None:
            content = self._content
            content.resize(self._written)
            content.seek(0)
        upload = Upload(
            content,
            self._memory,
            no_room=self._no_room,
            name=self.file_name or "",
            content_type=self.content_type or "",
            size=file_size,
            charset=self.charset,
            content_type_extra=self.content_type_extra,
        )
        self._begin()
        return upload
