"""How well the inventory matches Cerby, and since when: one row, whatever the number of keys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from keys.models import PeriodicJob


@dataclass(frozen=True)
class Freshness:
    """``compared_at``: when the last comparison with Cerby that came to its end did so; None: none has.

    ``found`` is what it found, in words; ``trouble`` why the latest one broke off, or empty.
    """

    compared_at: datetime | None
    found: str
    trouble: str


def freshness() -> Freshness:
    last = PeriodicJob.objects.filter(name="sweep").first()
    if last is None:
        return Freshness(None, "", "")
    failed = last.succeeded is False
    return Freshness(
        compared_at=last.succeeded_at,
        found="" if failed else last.summary,
        trouble=last.summary if failed else "",
    )
