"""Keep uploads in memory, within a size limit, and never write them to disk."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from django.core.files.uploadedfile import InMemoryUploadedFile
from django.core.files.uploadhandler import FileUploadHandler

LARGEST = 10 * 1024 * 1024
"""Bytes, for all files of a request together."""


class InMemoryUpload(FileUploadHandler):
    """Replace Django's handlers, which write files above 2.5 MB to a temporary file.

    If a file exceeds ``LARGEST``, its content is dropped. Only its size is kept, so that the form can report
    it.
    """

    def __init__(self, request: Any = None) -> None:
        super().__init__(request)
        self._received = 0
        self._content = BytesIO()

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self._content = BytesIO()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:  # noqa: ARG002 - Django's signature
        self._received += len(raw_data)
        if self._received > LARGEST:
            self._content = BytesIO()
        else:
            self._content.write(raw_data)

    def file_complete(self, file_size: int) -> InMemoryUploadedFile:
        self._content.seek(0)
        return InMemoryUploadedFile(
            file=self._content,
            field_name=self.field_name,
            name=self.file_name or "",
            content_type=self.content_type or "",
            size=file_size,
            charset=self.charset,
            content_type_extra=self.content_type_extra,
        )
