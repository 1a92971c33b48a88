"""Store when a person last compared the inventory with Cerby's web app, and the last reminder of it."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class Comparison(models.Model):
    """The state of the comparisons by hand. The table has one row, which also serves as a lock.

    ``whole_at``: when a person last confirmed with a paste that they said is the whole table.
    """

    ONLY = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=ONLY)
    confirmed_at = models.DateTimeField(null=True)
    whole_at = models.DateTimeField(null=True)
    reminded_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (models.CheckConstraint(name="comparison_is_one_row", condition=Q(id=1)),)

    def __str__(self) -> str:
        return f"{self.confirmed_at:%Y-%m-%d %H:%M:%S}" if self.confirmed_at else "never"
