"""Seal and sign audit events continuously, in a thread of the worker."""

from __future__ import annotations

import time
import uuid

from keys.audit.sequencer import may_lead, seal
from keys.audit.signer import sign
from keys.audit.tree_store import head
from keys.jobs.outage import OutageLoop

SEAL_EVERY = 0.25
SIGN_EVERY = 5.0
"""Seconds."""


def run(loop: OutageLoop) -> None:
    """Seal and sign until stopped. After an error it tries again, so no waiting event is lost."""
    leader = uuid.uuid4()
    signed_at = -SIGN_EVERY

    def step() -> None:
        nonlocal signed_at
        urgent = seal_all(leader)
        if urgent or time.monotonic() - signed_at >= SIGN_EVERY:
            signed_at = time.monotonic()
            if may_lead(leader, head()):
                sign()

    loop.repeat(step, every=SEAL_EVERY, failed="sealing_failed")


def seal_all(leader: uuid.UUID) -> bool:
    """Seal all waiting events. Return whether a checkpoint must be signed at once."""
    urgent = False
    while (sealing := seal(leader)).count:
        urgent = urgent or sealing.urgent
    return urgent
