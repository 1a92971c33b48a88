"""Read a page of the inventory, and record that it was viewed or searched."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.http import QueryDict
from django.utils import timezone

from keys.audit import log
from keys.models import AuditEvent
from keys.rules.events import Event
from keys.rules.permissions import Actor
from keys.selectors.inventory.filters import InventoryFilter
from keys.selectors.inventory.table import Inventory, inventory_page

SAME_VIEW_WITHIN = timedelta(minutes=15)
"""Within this time, further pages, sort orders and reloads of the same view are one event (docs/audit.md)."""


def view_inventory(actor: Actor, params: QueryDict) -> Inventory:
    """Return the page of the inventory for the query string in ``params``."""
    found = inventory_page(actor, params)
    if found.filter.is_valid():
        _record_once(actor, found.filter)
    return found


def _record_once(actor: Actor, wanted: InventoryFilter) -> None:
    event, details, personal = Event.INVENTORY_VIEWED, dict[str, Any](), dict[str, str]()
    if words := wanted.in_words() if wanted.in_use() else "":
        event, details, personal = Event.INVENTORY_SEARCHED, {"filter": words}, {"details.filter": words}
    recent = AuditEvent.objects.filter(
        actor_email=actor.email,
        at__gt=timezone.now() - SAME_VIEW_WITHIN,
        type=event.value,
        ip=actor.ip,
        browser=actor.browser,
        personal=personal,
    )
    if not recent.exists():
        log.append(event, actor=actor, **details)
