"""Return which checkpoint each anchor has, and whether it is failing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from keys.audit.anchors import configured_anchors
from keys.models import Anchor


@dataclass(frozen=True)
class AnchorHealth:
    """The anchor has the checkpoint of ``size`` events. ``failing_since`` is None if deliveries succeed."""

    name: str
    size: int
    delivered_at: datetime | None
    failing_since: datetime | None
    failure: str


def anchors_health() -> list[AnchorHealth]:
    """Return all configured anchors. It contains no personal data, so everybody may see it."""
    rows = {row.name: row for row in Anchor.objects.all()}
    anchors = [(name, rows.get(name) or Anchor(name=name)) for name in configured_anchors()]
    return [
        AnchorHealth(name, row.size, row.delivered_at, row.failing_since, row.failure)
        for name, row in anchors
    ]
