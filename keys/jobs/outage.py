"""Do things again and again through outages of the database: one line when it goes, one when it is back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog
from django.db import InterfaceError, OperationalError, close_old_connections

LONGEST_PAUSE = 10.0
"""Seconds. A pause grows with the outage, until it is that long."""

logger = structlog.get_logger(__name__)


class OutageLoop:
    """What the threads of one process share: when they are to stop, and whether the database is away."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self._lock = threading.Lock()
        self._away_since: float | None = None

    @property
    def database_is_away(self) -> bool:
        return self._away_since is not None

    def repeat(self, step: Callable[[], None], *, every: float, failed: str) -> None:
        """Call ``step`` every so many seconds until told to stop. Other failures are logged as ``failed``."""
        pause = every
        while not self.stop.wait(pause):
            pause = every
            close_old_connections()
            try:
                step()
            except Exception as error:
                if _is_outage(error):
                    pause = max(every, self._note_away())
                else:
                    logger.exception(failed)
            else:
                self._note_back()

    def _note_away(self) -> float:
        """Returns how long to wait."""
        with self._lock:
            if self._away_since is None:
                self._away_since = time.monotonic()
                logger.error("database_away")
            return min(LONGEST_PAUSE, time.monotonic() - self._away_since)

    def _note_back(self) -> None:
        with self._lock:
            if self._away_since is not None:
                self._away_since = None
                logger.warning("database_back")


def _is_outage(error: Exception) -> bool:
    """PostgreSQL cannot be reached (psycopg: no code, or class 08) or is shutting down or starting (57P)."""
    code = getattr(error.__cause__, "sqlstate", "not PostgreSQL's")
    return isinstance(error, OperationalError | InterfaceError) and (
        code is None or code.startswith(("08", "57P"))
    )
