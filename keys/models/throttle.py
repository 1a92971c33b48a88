"""Count attempts to guess a password."""

from __future__ import annotations

from django.db import models


class Throttle(models.Model):
    """How far the attempts with one ``name`` have used up their budget.

    ``name`` is a keyed hash, for example of an account and an address. ``busy_until``: in seconds since 1970,
    the time at which the whole budget is available again. Rows whose time has passed are deleted.
    """

    name = models.CharField(max_length=64, primary_key=True)
    busy_until = models.FloatField(default=0, db_index=True)

    def __str__(self) -> str:
        return self.name
