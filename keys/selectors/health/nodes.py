"""Return the nodes on which workers of the portal run, and which of them refuse to sign."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q
from django.db.models.functions import Now

from keys.audit.node import LIVE
from keys.models import Node

SHOWN = 20
SHOWN_FOR = timedelta(days=1)
"""How long a node is shown after its worker has ended."""


@dataclass(frozen=True)
class NodeHealth:
    """``agreed`` is the number of events that the node remembers. ``refusal`` is empty if it agrees."""

    name: str
    last_seen: datetime
    is_live: bool
    agreed: int
    refusal: str


def nodes_health() -> list[NodeHealth]:
    """Return the nodes that were seen lately or refuse to sign. Everybody may see them."""
    shown = Node.objects.filter(Q(last_seen__gt=Now() - SHOWN_FOR) | ~Q(refusal=""))
    rows = shown.annotate(now=Now()).order_by("name", "id")[:SHOWN]
    return [
        NodeHealth(row.name, row.last_seen, row.now - row.last_seen < LIVE, row.agreed, row.refusal)
        for row in rows
    ]
