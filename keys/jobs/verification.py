"""Start verifying the record: the request for it and the task that does it, or neither."""

from __future__ import annotations

from keys.actions import verify_record
from keys.jobs import tasks
from keys.policy import Actor


def start(actor: Actor) -> None:
    """Raises ``NotAllowed``, recorded, and ``Conflict``."""
    verify_record.ask(actor, tasks.verify_record.enqueue)
