"""Store how many items each person owns in Cerby, without their names."""

from __future__ import annotations

from django.db import models

from keys.models.user import User
from keys.rules.reach import Counts, Items


class Reach(models.Model):
    """The items that a person owned in Cerby at ``counted_at``. A key reaches only items that its owner owns.

    ``secrets``, ``accounts``, ``collections`` and ``teams``: how many, or None if Cerby did not tell.
    ``items``: for each list, when the portal first counted each item, in microseconds since 1970, or 0 if
    that was the first count of the list. The items are named by the beginning of a hash of ``salt`` and their
    id.
    ``due_at``: when to count again. ``tried_at``: when the portal last asked, whether or not Cerby answered.
    """

    person = models.OneToOneField(User, on_delete=models.CASCADE, primary_key=True, related_name="reach")
    secrets = models.PositiveIntegerField(null=True)
    accounts = models.PositiveIntegerField(null=True)
    collections = models.PositiveIntegerField(null=True)
    teams = models.PositiveIntegerField(null=True)
    items = models.JSONField(default=dict)
    salt = models.CharField(max_length=32)
    counted_at = models.DateTimeField(null=True)
    tried_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField()

    class Meta:
        indexes = (models.Index("due_at", name="reach_by_due"),)

    def __str__(self) -> str:
        return f"{self.person_id}, counted {self.counted_at}"

    def counts(self) -> Counts:
        return {items: getattr(self, items.value) for items in Items}

    def newest(self, items: Items) -> int:
        """Return when the newest item of the list was first counted, in microseconds since 1970."""
        return max(self.items.get(items.value, {}).values(), default=0)

    def grown_since(self, moment: int, items: Items) -> int:
        """Return how many items of the list were first counted after ``moment``."""
        return sum(first > moment for first in self.items.get(items.value, {}).values())
