"""Run steps in a loop that survives database outages and errors: log each outage once, and back off."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog
from django.db import InterfaceError, OperationalError, close_old_connections

LONGEST_PAUSE = 10.0
"""Seconds. Pauses grow up to this limit while the database is unavailable or a step fails."""

logger = structlog.get_logger(__name__)


class OutageLoop:
    """State that the threads of a process share: whether to stop, and whether the database is unavailable."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self._lock = threading.Lock()
        self._away_since: float | None = None

    @property
    def database_is_away(self) -> bool:
        return self._away_since is not None

    def repeat(
        self, step: Callable[[], None], *, every: float, failed: str, first_after: float | None = None
    ) -> None:
        """Call ``step`` every so many seconds until stopped. Log errors other than outages as ``failed``.

        Each error in a row doubles the pause, so that an error that stays does not fill the log.
        """
        pause = every if first_after is None else first_after
        while not self.stop.wait(pause):
            close_old_connections()
            try:
                step()
            except Exception as error:
                if _is_outage(error):
                    pause = max(every, self._note_away())
                else:
                    logger.exception(failed)
                    pause = max(every, min(LONGEST_PAUSE, pause * 2))
            else:
                pause = every
                self._note_back()

    def _note_away(self) -> float:
        """Record the outage and return how long to wait, in seconds."""
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
    """Return whether PostgreSQL cannot be reached or is starting or stopping.

    psycopg reports these without a code, or with SQLSTATE class 08 or 57P.
    """
    code = getattr(error.__cause__, "sqlstate", "not from PostgreSQL")
    return isinstance(error, OperationalError | InterfaceError) and (
        code is None or code.startswith(("08", "57P"))
    )
