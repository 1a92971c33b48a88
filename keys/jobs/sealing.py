"""Seal and sign audit events continuously, in a thread of the worker."""

from __future__ import annotations

import time
import uuid

from keys.audit.node import live_others
from keys.audit.sequencer import may_lead, seal
from keys.audit.signer import sign
from keys.audit.tree_store import head
from keys.jobs.outage import OutageLoop
from portal.frames import with_room

SEAL_EVERY = 0.25
SIGN_EVERY = 5.0
"""Seconds."""
AGREE_WITHIN = 3.0
"""Seconds in which an urgent event is tried again, because the other nodes have to remember it first."""


@with_room
def run(loop: OutageLoop) -> None:
    """Seal and sign until stopped. After an error it tries again, so no waiting event is lost."""
    leader = uuid.uuid4()
    signed_at = urgent_until = -SIGN_EVERY

    def step() -> None:
        nonlocal signed_at, urgent_until
        now = time.monotonic()
        if seal_all(leader):
            urgent_until = now + AGREE_WITHIN
        if now < urgent_until or now - signed_at >= SIGN_EVERY:
            signed_at = now
            if may_lead(leader, head()):
                checkpoint = sign()
                if (checkpoint is not None and checkpoint.size == head().size) or not live_others():
                    urgent_until = now

    loop.repeat(step, every=SEAL_EVERY, failed="sealing_failed")


def seal_all(leader: uuid.UUID) -> bool:
    """Seal all waiting events. Return whether a checkpoint must be signed at once."""
    urgent = False
    while (sealing := seal(leader)).count:
        urgent = urgent or sealing.urgent
    return urgent
