"""Take signed checkpoints to places outside the database, at least once, and never in anybody's way.

What an anchor holds cannot be taken back by whoever rules the database: a record that was cut off, rolled
back or rewritten disagrees with it in size or root. Each has a row that says how far it has come.
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
    """Take the newest checkpoint to each anchor that is set up and lacks it. Returns how far each is."""
    newest = Checkpoint.objects.order_by("-size").first()
    if newest is None:
        return "Nothing is signed yet"
    said = [f"{name}: {_deliver_to(name, way, newest, now)}" for name, way in set_up().items()]
    return "; ".join(said) or "No anchor is set up"


def set_up() -> dict[str, Deliver]:
    """The anchors that the settings name, and how each is reached."""
    ways: dict[str, tuple[object, Deliver]] = {
        "file": (settings.PORTAL_AUDIT_ANCHOR_FILE, _to_file),
        "syslog": (settings.PORTAL_AUDIT_ANCHOR_SYSLOG, _to_syslog),
        "webhook": (settings.PORTAL_AUDIT_ANCHOR_WEBHOOK, _to_webhook),
        "mail": (settings.PORTAL_AUDITOR_EMAILS, _to_mail),
    }
    return {name: way for name, (setting, way) in ways.items() if setting}


def _deliver_to(name: str, send: Deliver, newest: Checkpoint, now: datetime) -> str:
    anchor, _ = Anchor.objects.get_or_create(name=name)
    early = name == "mail" and anchor.delivered_at is not None and now - anchor.delivered_at < MAIL_EVERY
    if anchor.size >= newest.size or early:
        return f"holds {anchor.size:,}"
    try:
        send(newest)
    except ledger.FAILURES as error:
        logger.warning("anchor_failed", job=name)
        return ledger.note_failure(anchor, error, now)
    ledger.note_delivery(anchor, now, size=newest.size)
    return f"holds {newest.size:,}"


def line_of(name: str, checkpoint: Checkpoint) -> str:
    """One line of JSON, as verify_bundle.py reads anchors."""
    return json.dumps({"anchor": name, "at": utc_microseconds(checkpoint.at), "note": checkpoint.note})


def _to_file(checkpoint: Checkpoint) -> None:
    append_to_file(str(settings.PORTAL_AUDIT_ANCHOR_FILE), line_of("file", checkpoint).encode() + b"\n")


def _to_syslog(checkpoint: Checkpoint) -> None:
    line = line_of("syslog", checkpoint)
    send_to_syslog(settings.PORTAL_AUDIT_ANCHOR_SYSLOG, "checkpoint", [(checkpoint.at, line)])


def _to_webhook(checkpoint: Checkpoint) -> None:
    """The signed note itself: whoever has the public key can check it."""
    https.post(
        settings.PORTAL_AUDIT_ANCHOR_WEBHOOK,
        checkpoint.note.encode(),
        content_type="text/plain; charset=utf-8",
        private=settings.PORTAL_AUDIT_ANCHOR_WEBHOOK_PRIVATE,
    )


MAIL = """\
The key portal at {url} has signed its record of what happened. Keep this mail: with it you can
show later that no event was changed or taken away. docs/audit.md says how.

{note}"""


def _to_mail(checkpoint: Checkpoint) -> None:
    body = MAIL.format(url=settings.PORTAL_URL, note=checkpoint.note)
    subject = f"Key portal: {checkpoint.size} events are signed"
    send_mail(subject, body, settings.DEFAULT_FROM_EMAIL, list(settings.PORTAL_AUDITOR_EMAILS))
