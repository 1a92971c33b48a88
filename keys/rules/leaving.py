"""Define a plan for the keys of a person who leaves, and its limits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

KEPT_AT_MOST = timedelta(days=30)
RED_AFTER = timedelta(days=7)
"""How long somebody may take to decide before the key is an alert."""


@dataclass(frozen=True)
class Plan:
    """``to``: the email of the next owner if the key is to be rotated. ``until``: the last day to keep it."""

    decision: str
    to: str = ""
    until: date | None = None
