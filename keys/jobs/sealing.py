"""Seal and sign what happened, all the time: a thread of the worker."""

from __future__ import annotations

import threading
import time
import uuid

import structlog
from django.db import close_old_connections

from keys.audit.nodes import head
from keys.audit.sequence import leads, seal
from keys.audit.signing import sign

LOOK_EVERY = 0.25
SIGN_EVERY = 5.0
"""Seconds."""

logger = structlog.get_logger(__name__)


def run(stop: threading.Event) -> None:
    """Until ``stop`` is set. Whatever goes wrong, it tries again: an event that waits is never lost."""
    leader = uuid.uuid4()
    signed_at = -SIGN_EVERY
    while not stop.wait(LOOK_EVERY):
        close_old_connections()
        try:
            urgent = seal_all(leader)
            if urgent or time.monotonic() - signed_at >= SIGN_EVERY:
                signed_at = time.monotonic()
                if leads(leader, head()):
                    sign()
        except Exception:
            logger.exception("sealing_failed")


def seal_all(leader: uuid.UUID) -> bool:
    """Seal until nothing waits. Returns whether something is to be signed at once."""
    urgent = False
    while (sealing := seal(leader)).count:
        urgent = urgent or sealing.urgent
    return urgent
