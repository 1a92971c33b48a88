"""Return when the inventory was last compared with Cerby, and the result."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from keys.models import PeriodicJob


@dataclass(frozen=True)
class Freshness:
    """``compared_at``: when a comparison with Cerby last succeeded, or None.

    ``result`` is its result in words. If a later one failed, ``problem`` says why and ``result`` is empty.
    """

    compared_at: datetime | None
    result: str
    problem: str


def freshness() -> Freshness:
    last = PeriodicJob.objects.filter(name="sweep").first()
    if last is None:
        return Freshness(None, "", "")
    failed = last.succeeded is False
    return Freshness(
        compared_at=last.succeeded_at,
        result="" if failed else last.summary,
        problem=last.summary if failed else "",
    )
