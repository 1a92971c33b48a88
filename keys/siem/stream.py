"""Send sealed events to each SIEM that is set up, in their order, at least once, and in nobody's way.

Each target has a row that says which event comes next. It moves on after a batch was taken: who dies in
between sends the batch again. One that is slow or broken lags behind, by itself, and is asked less often.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from keys.delivery import https
from keys.delivery.lines import append_to_file, reason_for, send_to_syslog
from keys.models import Sealed, SiemTarget
from keys.siem.ocsf import ocsf
from keys.tlog.leaf import readable

BATCH = 500
"""Events. A target that takes no batch of them within its time out is broken."""
SECONDS_PER_RUN = 3.0
"""For each target, and one batch at least: then the other jobs have their turn, until ten seconds later."""
FIRST_PAUSE = timedelta(seconds=10)
LONGEST_PAUSE = timedelta(minutes=10)
COLUMNS = (
    *("at", "uid", "type", "outcome", "actor_id", "actor_name", "actor_email", "actor_role"),
    *("key_id", "key_name", "ip", "browser", "reason", "details", "personal"),
)

logger = structlog.get_logger(__name__)

Line = tuple[datetime, str]
Send = Callable[[Sequence[Line]], None]


def stream(now: datetime | None = None) -> str:
    """Bring each target as far as it goes in its time. Returns how far each is."""
    said = [f"{name}: {_bring_on(name, send, now)}" for name, send in set_up().items()]
    return "; ".join(said) or "No SIEM is set up"


def set_up() -> dict[str, Send]:
    """The targets that the settings name, and how each is reached."""
    ways: dict[str, tuple[object, Send]] = {
        "file": (settings.PORTAL_SIEM_FILE, _to_file),
        "syslog": (settings.PORTAL_SIEM_SYSLOG, _to_syslog),
        "https": (settings.PORTAL_SIEM_URL, _to_https),
    }
    return {name: send for name, (setting, send) in ways.items() if setting}


def _bring_on(name: str, send: Send, now: datetime | None) -> str:
    row, _ = SiemTarget.objects.get_or_create(name=name)
    if row.retry_at is not None and row.retry_at > (now or timezone.now()):
        return f"waits until {row.retry_at:%H:%M:%S}, {row.failure}"
    ends, sent = time.monotonic() + SECONDS_PER_RUN, 0
    while batch := _batch(row.next_index):
        try:
            send([line for _, line in batch])
        except (OSError, https.NotDelivered) as error:
            return _note_failure(row, error, now or timezone.now())
        reached = batch[-1][0] + 1
        taken = {"next_index": reached, "delivered_at": timezone.now(), "attempts": 0, "retry_at": None}
        mine = SiemTarget.objects.filter(name=name, next_index=row.next_index)
        if mine.update(**taken, failing_since=None, failure="") != 1:
            return "another worker sends"
        row.next_index, sent = reached, sent + len(batch)
        if time.monotonic() >= ends:
            break
    return f"{sent:,} sent"


def _batch(start: int) -> list[tuple[int, Line]]:
    """Events from number ``start`` on; each with its time and its line of JSON."""
    names = [f"event__{name}" for name in COLUMNS]
    rows: QuerySet[Sealed, Any] = Sealed.objects.filter(index__gte=start).order_by("index")
    found = []
    for index, *values in rows.values_list("index", *names)[:BATCH]:
        event = dict(zip(COLUMNS, values, strict=True))
        event["details"] = readable(event["details"], event.pop("personal"))
        text = json.dumps(ocsf(index, event), separators=(",", ":"))
        found.append((index, (event["at"], text)))
    return found


def _note_failure(row: SiemTarget, error: OSError | https.NotDelivered, now: datetime) -> str:
    reason = error.sentence if isinstance(error, https.NotDelivered) else reason_for(error)
    pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(row.attempts, 10))
    SiemTarget.objects.filter(name=row.name).update(
        attempts=row.attempts + 1,
        retry_at=now + pause,
        failing_since=row.failing_since or now,
        failure=reason[:300],
    )
    logger.warning("siem_failed", job=row.name)
    return f"fails, {reason}"


def _to_file(lines: Sequence[Line]) -> None:
    append_to_file(str(settings.PORTAL_SIEM_FILE), _joined(lines))


def _to_syslog(lines: Sequence[Line]) -> None:
    send_to_syslog(settings.PORTAL_SIEM_SYSLOG, "event", lines)


def _to_https(lines: Sequence[Line]) -> None:
    https.post(
        settings.PORTAL_SIEM_URL,
        _joined(lines),
        content_type="application/x-ndjson",
        private=settings.PORTAL_SIEM_URL_PRIVATE,
        token=settings.PORTAL_SIEM_TOKEN,
    )


def _joined(lines: Sequence[Line]) -> bytes:
    return "".join(f"{text}\n" for _, text in lines).encode()
