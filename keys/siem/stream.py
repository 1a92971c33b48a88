"""Send sealed events to each configured SIEM, in order and at least once.

A slow or failing target falls behind without holding up the others (see keys.delivery.ledger).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import structlog
from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from keys.delivery import https, ledger
from keys.delivery.lines import append_to_file, send_to_syslog
from keys.models import Sealed, SiemTarget, TreeHead
from keys.siem.ocsf import ocsf
from keys.tlog.leaf import readable

BATCH = 500
"""Events in one delivery."""
SECONDS_PER_RUN = 3.0
"""Time for each target, though at least one batch is sent. The next run is ten seconds later."""
COLUMNS = (
    *("at", "uid", "type", "outcome", "actor_id", "actor_name", "actor_email", "actor_role"),
    *("key_id", "key_name", "ip", "browser", "reason", "details", "personal"),
)

logger = structlog.get_logger(__name__)

Line = tuple[datetime, str]
Send = Callable[[Sequence[Line]], None]


def stream(now: datetime | None = None) -> str:
    """Send waiting events to each target within its time. Return a summary."""
    results = [f"{name}: {_send_to(name, send, now)}" for name, send in configured_targets().items()]
    return "; ".join(results) or "No SIEM is set up"


def configured_targets() -> dict[str, Send]:
    """Return the function that sends to each configured target, by the target's name."""
    targets: dict[str, tuple[object, Send]] = {
        "file": (settings.PORTAL_SIEM_FILE, _to_file),
        "syslog": (settings.PORTAL_SIEM_SYSLOG, _to_syslog),
        "https": (settings.PORTAL_SIEM_URL, _to_https),
    }
    return {name: send for name, (setting, send) in targets.items() if setting}


def _send_to(name: str, send: Send, now: datetime | None) -> str:
    target, _ = SiemTarget.objects.get_or_create(name=name)
    if target.next_index > (head := TreeHead.objects.first() or TreeHead()).size:
        logger.error("siem_position_changed", job=name)
        SiemTarget.objects.filter(pk=target.pk).update(next_index=head.size)
        return f"was said to have {target.next_index:,} events of {head.size:,}; the next event is sent again"
    if ledger.is_backing_off(target, now or timezone.now()):
        return f"waits until {target.retry_at:%H:%M:%S}, {target.failure}"
    ends, sent = time.monotonic() + SECONDS_PER_RUN, 0
    while batch := _batch(target.next_index):
        try:
            send([line for _, line in batch])
        except ledger.FAILURES as error:
            logger.warning("siem_failed", job=name)
            return ledger.note_failure(target, error, now or timezone.now())
        next_index = batch[-1][0] + 1
        if not ledger.note_delivery(target, timezone.now(), next_index=next_index):
            return "another worker sends"
        target.next_index, sent = next_index, sent + len(batch)
        if time.monotonic() >= ends:
            break
    return f"{sent:,} sent"


def _batch(start: int) -> list[tuple[int, Line]]:
    """Return events from index ``start`` on: the index, the time and the JSON of each."""
    names = [f"event__{name}" for name in COLUMNS]
    rows: QuerySet[Sealed, Any] = Sealed.objects.filter(index__gte=start).order_by("index")
    found = []
    for index, *values in rows.values_list("index", *names)[:BATCH]:
        event = dict(zip(COLUMNS, values, strict=True))
        event["details"] = readable(event["details"], event.pop("personal"))
        text = json.dumps(ocsf(index, event), separators=(",", ":"))
        found.append((index, (event["at"], text)))
    return found


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
