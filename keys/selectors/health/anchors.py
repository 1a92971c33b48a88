"""How far the places outside the database hold what was signed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from keys.audit.anchors import set_up
from keys.models import Anchor


@dataclass(frozen=True)
class AnchorHealth:
    """It holds the checkpoint of ``size`` events; ``failing_since``: since when it takes nothing more."""

    name: str
    size: int
    delivered_at: datetime | None
    failing_since: datetime | None
    failure: str


def anchors_health() -> list[AnchorHealth]:
    """Every anchor that is set up, for any reader: it names nobody."""
    rows = {row.name: row for row in Anchor.objects.all()}
    found = [(name, rows.get(name) or Anchor(name=name)) for name in set_up()]
    return [
        AnchorHealth(name, row.size, row.delivered_at, row.failing_since, row.failure) for name, row in found
    ]
