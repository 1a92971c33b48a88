"""Deliver signed checkpoints to anchors: places that somebody with control of the database cannot change.

If the log is truncated, rolled back or rewritten, its size or root contradicts the anchored checkpoints.
A failing anchor does not hold up the others.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.core.mail import send_mail

from keys.delivery import https, ledger
from keys.delivery.lines import append_to_file, send_to_syslog
from keys.models import Anchor, Checkpoint
from keys.rules.formatting import utc_microseconds

MAIL_EVERY = timedelta(hours=24)

logger = structlog.get_logger(__name__)

Deliver = Callable[[Checkpoint], None]


def deliver(now: datetime) -> str:
    """Deliver the newest checkpoint to each configured anchor that lacks it. Return a summary."""
    newest = Checkpoint.objects.order_by("-size").first()
    if newest is None:
        return "Nothing is signed yet"
    results = [
        f"{name}: {_deliver_to(name, send, newest, now)}" for name, send in configured_anchors().items()
    ]
    return "; ".join(results) or "No anchor is set up"


def configured_anchors() -> dict[str, Deliver]:
    """Return the function that delivers to each configured anchor, by the anchor's name."""
    anchors: dict[str, tuple[object, Deliver]] = {
        "file": (settings.PORTAL_AUDIT_ANCHOR_FILE, _to_file),
        "syslog": (settings.PORTAL_AUDIT_ANCHOR_SYSLOG, _to_syslog),
        "webhook": (settings.PORTAL_AUDIT_ANCHOR_WEBHOOK, _to_webhook),
        "mail": (settings.PORTAL_AUDITOR_EMAILS, _to_mail),
    }
    return {name: send for name, (setting, send) in anchors.items() if setting}


def _deliver_to(name: str, send: Deliver, newest: Checkpoint, now: datetime) -> str:
    anchor, _ = Anchor.objects.get_or_create(name=name)
    since = now - anchor.delivered_at if anchor.delivered_at else MAIL_EVERY
    early = name == "mail" and timedelta() <= since < MAIL_EVERY
    # An anchor that is said to hold more than was ever signed gets the newest checkpoint again.
    if anchor.size == newest.size or early:
        return f"holds {anchor.size:,}"
    try:
        send(newest)
    except ledger.FAILURES as error:
        logger.warning("anchor_failed", job=name)
        return ledger.note_failure(anchor, error, now)
    ledger.note_delivery(anchor, now, size=newest.size)
    return f"holds {newest.size:,}"


def _json_line(name: str, checkpoint: Checkpoint) -> str:
    """Return the JSON that verify_bundle.py accepts as an anchor."""
    return json.dumps({"anchor": name, "at": utc_microseconds(checkpoint.at), "note": checkpoint.note})


def _to_file(checkpoint: Checkpoint) -> None:
    append_to_file(str(settings.PORTAL_AUDIT_ANCHOR_FILE), _json_line("file", checkpoint).encode() + b"\n")


def _to_syslog(checkpoint: Checkpoint) -> None:
    line = _json_line("syslog", checkpoint)
    send_to_syslog(settings.PORTAL_AUDIT_ANCHOR_SYSLOG, "checkpoint", [(checkpoint.at, line)])


def _to_webhook(checkpoint: Checkpoint) -> None:
    """Send the signed note, which anybody with the public key can check."""
    https.post(
        settings.PORTAL_AUDIT_ANCHOR_WEBHOOK,
        checkpoint.note.encode(),
        content_type="text/plain; charset=utf-8",
        private=settings.PORTAL_AUDIT_ANCHOR_WEBHOOK_PRIVATE,
    )


MAIL = """\
The key portal at {url} has signed its audit log. Keep this mail: with it you can show later
that no event was changed or removed. {url}/help/audit/#anchors explains how.

{note}"""


def _to_mail(checkpoint: Checkpoint) -> None:
    body = MAIL.format(url=settings.PORTAL_URL, note=checkpoint.note)
    subject = f"Cerby Key Portal: {checkpoint.size} events are signed"
    send_mail(subject, body, settings.DEFAULT_FROM_EMAIL, list(settings.PORTAL_AUDITOR_EMAILS))
