"""Notice that the database is older than the portal's last work, or that the clock jumped: quarantine then.

The background jobs write down that they work: in the database, then in a file beside it. A restored
database has gone back and the file has not. Each node has a file of its own, and any of them tells.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from keys.actions.safeguards.quarantine import Cause, start_quarantine
from keys.models import Quarantine
from keys.rules import formatting

FILE_NAME = "last-work"
JUMP = timedelta(minutes=5)
"""More than clocks that are set by a time server ever differ."""
SILENCE = timedelta(minutes=10)
"""Longer than an upgrade: after that, Cerby is looked at before anything is revoked."""

logger = structlog.get_logger(__name__)


def _uptime() -> float:
    """Seconds since the machine started, those that it slept included; no clock setting moves it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass
class Clocks:
    """Two clocks side by side: the one that tells the time, and one that cannot be set. In seconds."""

    wall: Callable[[], float] = time.time
    steady: Callable[[], float] = _uptime
    apart: float | None = field(default=None, init=False)

    def jump(self) -> timedelta:
        """How far the clock has jumped since the last call: ahead is positive."""
        apart = self.wall() - self.steady()
        before, self.apart = self.apart, apart
        return timedelta(seconds=0 if before is None else apart - before)


_CLOCKS = Clocks()


def check_for_rollback(clocks: Clocks = _CLOCKS) -> None:
    """Compare database, file and clock; start the quarantine where they contradict each other. Then mark."""
    in_file = _in_file()  # before the row, which another worker of this node may mark at this moment
    row, _ = Quarantine.objects.get_or_create(id=1)
    now = timezone.now()
    found = _contradiction(row.marked_at, in_file, now, clocks.jump())
    if found is not None:
        start_quarantine(*found)
        Quarantine.objects.update(marked_at=now)  # so that it is told once
    else:
        if row.marked_at is not None and now - row.marked_at > SILENCE:
            Quarantine.objects.filter(since__isnull=True, silent_since__isnull=True).update(
                silent_since=row.marked_at
            )
        Quarantine.objects.filter(Q(marked_at__isnull=True) | Q(marked_at__lt=now)).update(marked_at=now)
    _to_file(now)


def _contradiction(
    marked_at: datetime | None, in_file: datetime | None, now: datetime, jump: timedelta
) -> tuple[Cause, str] | None:
    if marked_at is None:
        return None
    if in_file is not None and in_file > marked_at:
        return Cause.RESTORED, (
            f"The portal last worked on {formatting.exact(in_file)}, and this database knows nothing after "
            f"{formatting.exact(marked_at)}: a backup was restored, or changes were lost."
        )
    if marked_at - now > JUMP:
        return Cause.CLOCK, (
            f"The clock says {formatting.exact(now)}, and the portal worked on {formatting.exact(marked_at)} "
            "already: the clock has gone back."
        )
    if abs(jump) > JUMP:
        minutes = round(abs(jump).total_seconds() / 60)
        return Cause.CLOCK, (
            f"The clock jumped {'ahead' if jump > timedelta() else 'back'} by {minutes} minutes: keys would "
            "seem to have waited too long."
        )
    return None


def _path() -> Path:
    return Path(settings.PORTAL_DATA_DIR) / FILE_NAME


def _in_file() -> datetime | None:
    try:
        return datetime.fromisoformat(_path().read_text().strip())
    except (OSError, ValueError):
        return None


def _to_file(moment: datetime) -> None:
    """Whole or not at all; a folder that cannot be written to only costs this way of noticing."""
    path = _path()
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        fresh.write_text(f"{moment.isoformat()}\n")
        fresh.replace(path)
    except OSError:
        logger.warning("last_work_not_written")
