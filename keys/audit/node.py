"""Know this node and the other nodes of the portal.

A node is a data folder. Its random id is in the file ``node.json`` there; its row describes it to the others.
Ages are measured with the database's clock, because the clocks of nodes differ.
"""

from __future__ import annotations

import json
import socket
import uuid
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db.models import QuerySet
from django.db.models.functions import Now

from keys.models import Node
from keys.tlog.state_files import locked, replace

FILE = "node.json"
LIVE = timedelta(seconds=60)
"""A node that was seen within this time must agree before another node signs."""
AWAY = timedelta(seconds=10)
"""After a longer pause between two heartbeats, a node has been away."""
SETTLE = timedelta(seconds=20)
"""How long a node that was away waits for the others, which may know of a restored database."""


@dataclass(frozen=True)
class Here:
    """A node's identity. ``is_registered``: its row has been committed to the database at least once."""

    id: uuid.UUID
    is_registered: bool


def here() -> Here:
    """Return this node, after giving it an id if it has none. Raises ``OSError`` if that cannot be stored."""
    path = _path()
    if not path.exists():
        with locked(path):
            if not path.exists():
                _write(path, uuid.uuid4(), is_registered=False)
    fields = json.loads(path.read_text())
    return Here(uuid.UUID(fields["id"]), bool(fields["registered"]))


def own_row() -> Node:
    """Return this node's row, after creating it if it is missing. It is live only after a heartbeat."""
    new = {"name": _name(), "last_seen": Now() - LIVE}
    row, _ = Node.objects.get_or_create(pk=here().id, defaults=new)
    return row


def note_registered() -> None:
    """Remember that the row was committed: from now on, a database without it is an older one."""
    me = here()
    if not me.is_registered:
        _write(_path(), me.id, is_registered=True)


def others() -> QuerySet[Node]:
    return Node.objects.exclude(pk=here().id)


def live_others() -> list[Node]:
    """Return the other nodes whose workers have been seen within ``LIVE``."""
    return list(others().filter(last_seen__gt=Now() - LIVE))


def see(*, agreed: int, refusal: str, unchecked: int, has_started: bool) -> None:
    """Record a heartbeat. ``has_started``: it is the first one of this process."""
    row = own_row()
    was_away = has_started or Node.objects.filter(pk=row.pk, last_seen__lt=Now() - AWAY).exists()
    changes = {"back_since": Now()} if was_away else {}
    Node.objects.filter(pk=row.pk).update(
        name=_name(),
        last_seen=Now(),
        agreed=agreed,
        refusal=refusal[:500],
        unchecked=unchecked,
        **changes,
    )


def leave() -> None:
    """Record that this node's worker ends, so that the others need not wait for it."""
    Node.objects.filter(pk=here().id).update(last_seen=Now() - LIVE)


def is_settled() -> bool:
    """Return whether this node has been here long enough to act on its own, or is the only one."""
    if not others().exists():
        return True
    return Node.objects.filter(pk=here().id, back_since__lt=Now() - SETTLE).exists()


def _name() -> str:
    return socket.gethostname()[:200]


def _path() -> Path:
    return Path(settings.PORTAL_DATA_DIR) / FILE


def _write(path: Path, node: uuid.UUID, *, is_registered: bool) -> None:
    replace(path, json.dumps({"id": str(node), "registered": is_registered}))
