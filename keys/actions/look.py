"""Look at the inventory, or search it: a read, and recorded as an act."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.http import QueryDict
from django.utils import timezone

from keys.audit import log
from keys.audit.events import Event
from keys.models import AuditEvent
from keys.policy import Actor
from keys.selectors.inventory import Inventory, inventory
from keys.selectors.inventory_filter import InventoryFilter

THE_SAME_LOOK = timedelta(minutes=15)
"""Pages, orders and reloads within this time of the same person's same look are one event (docs/audit.md)."""


def look(actor: Actor, params: QueryDict) -> Inventory:
    """The page of the inventory that the query string asks for. Raises ``NotAllowed``."""
    found = inventory(actor, params)
    if found.filter.is_valid():
        _record_once(actor, found.filter)
    return found


def _record_once(actor: Actor, wanted: InventoryFilter) -> None:
    event, details, personal = Event.INVENTORY_VIEWED, dict[str, Any](), dict[str, str]()
    if words := wanted.in_words() if wanted.in_use() else "":
        event, details, personal = Event.INVENTORY_SEARCHED, {"filter": words}, {"details.filter": words}
    lately = AuditEvent.objects.filter(
        actor_email=actor.email,
        at__gt=timezone.now() - THE_SAME_LOOK,
        type=event.value,
        ip=actor.ip,
        browser=actor.browser,
        personal=personal,
    )
    if not lately.exists():
        log.append(event, actor=actor, **details)
