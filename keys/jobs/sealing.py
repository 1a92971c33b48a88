"""Seal and sign what happened, all the time: a thread of the worker."""

from __future__ import annotations

import time
import uuid

from keys.audit.sequencer import may_lead, seal
from keys.audit.signer import sign
from keys.audit.tree_store import head
from keys.jobs.outage import OutageLoop

LOOK_EVERY = 0.25
SIGN_EVERY = 5.0
"""Seconds."""


def run(patience: OutageLoop) -> None:
    """Until told to stop. Whatever goes wrong, it tries again: an event that waits is never lost."""
    leader = uuid.uuid4()
    signed_at = -SIGN_EVERY

    def look() -> None:
        nonlocal signed_at
        urgent = seal_all(leader)
        if urgent or time.monotonic() - signed_at >= SIGN_EVERY:
            signed_at = time.monotonic()
            if may_lead(leader, head()):
                sign()

    patience.repeat(look, every=LOOK_EVERY, failed="sealing_failed")


def seal_all(leader: uuid.UUID) -> bool:
    """Seal until nothing waits. Returns whether something is to be signed at once."""
    urgent = False
    while (sealing := seal(leader)).count:
        urgent = urgent or sealing.urgent
    return urgent
