"""Store by which day a key is to be rotated, and who was asked to do it."""

from __future__ import annotations

from django.db import models

from keys.models.api_key import ApiKey
from keys.models.user import User


class RotationTask(models.Model):
    """A task to start the rotation of ``key``. The row is deleted if that is done, or if the key has ended.

    ``assigned``: who was asked, or None for any admin. ``asked_by``: the admin who planned the rotations.
    """

    key = models.OneToOneField(
        ApiKey, on_delete=models.CASCADE, primary_key=True, related_name="rotation_task"
    )
    assigned = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="rotation_tasks", db_index=False
    )
    due_on = models.DateField()
    asked_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", db_index=False)
    asked_at = models.DateTimeField()

    class Meta:
        indexes = (
            models.Index("due_on", name="rotation_task_by_day"),
            models.Index("assigned", "due_on", name="rotation_task_by_person"),
        )

    def __str__(self) -> str:
        return f"{self.key_id}: {self.due_on}"
