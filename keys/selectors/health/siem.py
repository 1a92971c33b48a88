"""Return how many events each SIEM is behind."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from keys.models import Sealed, SiemTarget, TreeHead
from keys.siem.stream import configured_targets


@dataclass(frozen=True)
class SiemHealth:
    """``behind`` events are waiting to be sent, the oldest for ``minutes``."""

    name: str
    behind: int
    minutes: int
    delivered_at: datetime | None
    failing_since: datetime | None
    failure: str


def siem_health() -> list[SiemHealth]:
    """Return all configured SIEMs. It contains no personal data, so everybody may see it."""
    names = list(configured_targets())
    if not names:
        return []
    head, rows = TreeHead.objects.first(), {row.name: row for row in SiemTarget.objects.all()}
    size = head.size if head else 0
    return [_health(rows.get(name) or SiemTarget(name=name), size) for name in names]


def _health(row: SiemTarget, size: int) -> SiemHealth:
    waiting = Sealed.objects.filter(index=row.next_index).values_list("event__at", flat=True).first()
    waited = timezone.now() - waiting if waiting else None
    return SiemHealth(
        name=row.name,
        behind=max(0, size - row.next_index),
        minutes=max(0, int(waited.total_seconds() // 60)) if waited else 0,
        delivered_at=row.delivered_at,
        failing_since=row.failing_since,
        failure=row.failure,
    )
