"""End the task to rotate a key: its rotation has begun, or the key has ended."""

from __future__ import annotations

from keys.actions.notifications.settle import settle
from keys.models import ApiKey, RotationTask
from keys.rules.notifications import Kind


def end_rotation_task(key: ApiKey) -> None:
    """Delete the task, and take it out of every inbox. Call it in the transaction of the act that ends it."""
    settle(Kind.ROTATION_ASKED, key=key)
    RotationTask.objects.filter(key=key).delete()
