"""Return the task to rotate a key."""

from __future__ import annotations

from keys.models import ApiKey, RotationTask


def rotation_task_of(key: ApiKey) -> RotationTask | None:
    return RotationTask.objects.select_related("assigned").filter(key=key).first()
