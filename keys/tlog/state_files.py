"""What the audit log keeps outside the database: small files, each replaced as a whole."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings


def path_of(name: str) -> Path:
    return Path(settings.PORTAL_AUDIT_DIR) / name


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Whoever else asks for ``path`` waits. The lock is on a file beside it, because it is replaced."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def replace(path: Path, text: str) -> None:
    """Write ``text`` to ``path``, for this user alone: all of it or nothing, also through a power cut."""
    draft = path.with_suffix(".new")
    draft.touch(mode=0o600)
    with draft.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
