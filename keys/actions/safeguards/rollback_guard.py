"""Start the quarantine if the database was restored from a backup or the clock jumped.

Every second, the worker of each node stores the time in the node's own row and then in a file. In a
restored database, the row has an older time than the file, or is missing. One node that finds this is
enough, and none can hide it from another, because each writes only its own row. ``hold_back`` makes the same
check before each revocation, so that the quarantine starts first, whichever node acts first.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from keys.actions.safeguards.quarantine import Cause, start_quarantine
from keys.audit import node
from keys.models import Node, Quarantine
from keys.rules import formatting

FILE_NAME = "last-work"
NEVER = datetime(1, 1, 1, tzinfo=UTC)
JUMP = timedelta(minutes=5)
"""More than clocks that a time server sets ever differ."""
SILENCE = timedelta(minutes=10)
"""Longer than an upgrade takes. After a longer silence, the portal revokes nothing before the next sweep."""

logger = structlog.get_logger(__name__)


def _uptime() -> float:
    """Return the seconds since the machine started, including sleep; nobody can set this clock."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass
class Clocks:
    """Compare the wall clock with a clock that nobody can set, both in seconds."""

    wall: Callable[[], float] = time.time
    steady: Callable[[], float] = _uptime
    difference: float | None = field(default=None, init=False)

    def jump(self) -> timedelta:
        """Return how far the wall clock has jumped since the last call. A jump ahead is positive."""
        difference = self.wall() - self.steady()
        before, self.difference = self.difference, difference
        return timedelta(seconds=0 if before is None else difference - before)


_CLOCKS = Clocks()


_ONE_AT_A_TIME = threading.Lock()
"""A thread must not go on while another one has just seen the clock jump and starts the quarantine."""


def check_for_rollback(clocks: Clocks = _CLOCKS) -> None:
    """Start the quarantine if database, file and clock contradict each other. Then store the current time."""
    with _ONE_AT_A_TIME:
        _check(clocks)


def _check(clocks: Clocks) -> None:
    in_file = _read_mark()  # before the row, which another worker of this node may update at this moment
    row, _ = Quarantine.objects.get_or_create(id=1)
    here = _here()
    own = Node.objects.filter(pk=here.id).first() if here else None
    now = timezone.now()
    found = _contradiction(row.marked_at, _own_mark(row, here, own), in_file, now, clocks.jump())
    if found is not None:
        start_quarantine(*found)
        Quarantine.objects.update(marked_at=now)  # so that the contradiction is reported once
    else:
        if row.marked_at is not None and now - row.marked_at > SILENCE:
            Quarantine.objects.filter(since__isnull=True, silent_since__isnull=True).update(
                silent_since=row.marked_at
            )
        Quarantine.objects.filter(Q(marked_at__isnull=True) | Q(marked_at__lt=now)).update(marked_at=now)
    if here is not None:
        _mark_own_row(now)
    _write_mark(now)


def _here() -> node.Here | None:
    """Return this node, or None if its folder cannot be written: then only the clock is checked."""
    try:
        return node.here()
    except OSError:
        return None


def _own_mark(row: Quarantine, here: node.Here | None, own: Node | None) -> datetime | None:
    """Return this node's time in the database: ``NEVER`` if the node has lost its row.

    Before a node has a row, the newest time of any node counts.
    """
    if own is not None and own.marked_at is not None:
        return own.marked_at
    if own is None and here is not None and here.is_registered:
        return NEVER
    return row.marked_at


def _mark_own_row(now: datetime) -> None:
    own = node.own_row()
    older = Q(marked_at__isnull=True) | Q(marked_at__lt=now)
    Node.objects.filter(older, pk=own.pk).update(marked_at=now)
    node.note_registered()


def _contradiction(
    marked_at: datetime | None,
    own_mark: datetime | None,
    in_file: datetime | None,
    now: datetime,
    jump: timedelta,
) -> tuple[Cause, str] | None:
    """Return the cause and the reason to start the quarantine, or None.

    A new database contradicts nothing.
    """
    if marked_at is None or own_mark is None:
        return None
    if own_mark == NEVER:
        return Cause.RESTORED, (
            "A node of the portal worked with this database before, but the database does not know the node: "
            "a backup was restored."
        )
    if in_file is not None and in_file > own_mark:
        return Cause.RESTORED, (
            f"The portal last ran on {formatting.exact(in_file)}, but this database has no entry after "
            f"{formatting.exact(own_mark)}: a backup was restored, or changes were lost."
        )
    if marked_at - now > JUMP:
        return Cause.CLOCK, (
            f"The clock says {formatting.exact(now)}, but the portal already ran on "
            f"{formatting.exact(marked_at)}: the clock was set back."
        )
    if abs(jump) > JUMP:
        minutes = round(abs(jump).total_seconds() / 60)
        return Cause.CLOCK, (
            f"The clock jumped {'ahead' if jump > timedelta() else 'back'} by {minutes} minutes, so keys "
            "could be deleted too early."
        )
    return None


def _path() -> Path:
    return Path(settings.PORTAL_DATA_DIR) / FILE_NAME


def _read_mark() -> datetime | None:
    try:
        return datetime.fromisoformat(_path().read_text().strip())
    except (OSError, ValueError):
        return None


def _write_mark(moment: datetime) -> None:
    """Replace the file in one step. If that fails, log a warning: only this check is lost."""
    path = _path()
    fresh = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        fresh.write_text(f"{moment.isoformat()}\n")
        fresh.replace(path)
    except OSError:
        logger.warning("last_work_not_written")
