"""Read and replace the audit log's small state files outside the database."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings


def path_of(name: str) -> Path:
    return Path(settings.PORTAL_AUDIT_DIR) / name


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock for ``path``. The lock is on a separate file, because ``path`` is replaced."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def replace(path: Path, text: str) -> None:
    """Replace the content of ``path`` atomically and durably, readable only by this user."""
    # Processes of one node may replace a file at the same moment, so each writes a separate draft.
    draft = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.new")
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
