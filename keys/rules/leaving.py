"""Define a plan for the keys of a person who leaves, and its limits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

KEPT_AT_MOST = timedelta(days=30)
NO_PLAN = "none"
"""The choice that takes a plan back."""
RED_AFTER = timedelta(days=7)
"""How long a key may have no plan before the key is an alert."""


@dataclass(frozen=True)
class Plan:
    """``decision``: rotate, remove, keep or ``NO_PLAN``. ``to``: the email of the next owner if the key is to
    be rotated. ``until``: the last day to keep it.
    """

    decision: str
    to: str = ""
    until: date | None = None
