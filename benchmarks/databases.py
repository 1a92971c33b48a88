"""Two databases in one process: which one the portal reads is switched between two requests."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from django.db import connections
from django.db.utils import load_backend

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.backends.base.base import BaseDatabaseWrapper


def connect(path: Path) -> BaseDatabaseWrapper:
    """A connection with the portal's own settings to the SQLite file at ``path``."""
    settings = connections.settings["default"] | {"NAME": path}
    return load_backend(settings["ENGINE"]).DatabaseWrapper(settings, "default")


@contextmanager
def using(database: BaseDatabaseWrapper) -> Iterator[None]:
    """Everything inside reads and writes ``database``."""
    usual = connections["default"]
    connections["default"] = database
    try:
        yield
    finally:
        connections["default"] = usual
