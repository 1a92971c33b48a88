"""Record how deliveries to a target go, and retry a failing target less and less often.

A target's position advances only after a delivery succeeded. If the process dies in between, the same data
is delivered again: at least once, never skipped.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from keys.delivery.https import NotDelivered
from keys.models import BackoffTarget, DeliveryTarget

FIRST_PAUSE = timedelta(seconds=10)
LONGEST_PAUSE = timedelta(minutes=10)
_JITTER = 10
"""Per cent by which a pause of a list is shorter or longer, so that not all deliveries return together."""
FAILURES = (OSError, NotDelivered)
"""The exceptions of a failed delivery by file, syslog, mail or HTTPS."""


def note_delivery(target: DeliveryTarget, now: datetime, **position: Any) -> bool:
    """Advance ``target`` to ``position``, such as ``next_index=7``, and clear its failure.

    Return False and change nothing if another worker has advanced it since ``target`` was read. The first
    column of ``position`` tells; further ones are only stored.
    """
    unchanged = type(target).objects.filter(pk=target.pk)
    for column in [*position][:1]:
        unchanged = unchanged.filter(**{column: getattr(target, column)})
    backoff = {"attempts": 0, "retry_at": None} if isinstance(target, BackoffTarget) else {}
    columns = {**backoff, **position}
    return unchanged.update(**columns, delivered_at=now, failing_since=None, failure="") == 1


def note_failure(
    target: DeliveryTarget,
    error: OSError | NotDelivered,
    now: datetime,
    pauses: Sequence[timedelta] = (),
) -> str:
    """Record the failure, with the time of the next attempt if ``target`` has one. Return a summary.

    ``pauses``: how long to wait after each failure in a row, instead of twice as long each time. The last one
    repeats.
    """
    reason = error.sentence if isinstance(error, NotDelivered) else _reason(error)
    backoff = {}
    if isinstance(target, BackoffTarget):
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(target.attempts, 10))
        if pauses:
            pause = pauses[min(target.attempts, len(pauses) - 1)] * _jitter(target)
        backoff = {"attempts": target.attempts + 1, "retry_at": now + pause}
    type(target).objects.filter(pk=target.pk).update(
        failing_since=target.failing_since or now, failure=reason[:300], **backoff
    )
    return f"fails: {reason}"


def is_backing_off(target: BackoffTarget, now: datetime) -> bool:
    """Return whether the target waits. A time beyond the longest pause is not the portal's."""
    return target.retry_at is not None and now < target.retry_at <= now + LONGEST_PAUSE


def _jitter(target: BackoffTarget) -> float:
    """Return a factor near 1 that differs between targets and attempts."""
    step = zlib.crc32(f"{target.pk}:{target.attempts}".encode()) % (2 * _JITTER + 1)
    return 1 + (step - _JITTER) / 100


def _reason(error: OSError) -> str:
    """Return the system's message as a sentence, without details such as the path."""
    return f"{error.strerror or type(error).__name__}."
