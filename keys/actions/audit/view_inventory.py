"""Look at the inventory, or search it: a read, and recorded as an act."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.http import QueryDict
from django.utils import timezone

from keys.audit import log
from keys.models import AuditEvent
from keys.rules.events import Event
from keys.rules.policy import Actor
from keys.selectors.inventory.filters import InventoryFilter
from keys.selectors.inventory.table import Inventory, inventory

THE_SAME_LOOK = timedelta(minutes=15)
"""Pages, orders and reloads within this time of the same person's same look are one event (docs/audit.md)."""


def view_inventory(actor: Actor, params: QueryDict) -> Inventory:
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
