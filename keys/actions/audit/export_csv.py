"""Export the inventory or the activity as CSV, and record the export."""

from __future__ import annotations

from django.http import QueryDict

from keys.actions.people.confirm_role import authorize_now
from keys.audit import log
from keys.rules.events import Event
from keys.rules.policy import Action, Actor
from keys.selectors.activity.table import activity_export
from keys.selectors.inventory.exports import Export
from keys.selectors.inventory.table import inventory_export


def export_inventory(actor: Actor, params: QueryDict) -> Export:
    if actor.may(Action.SEE_INVENTORY):  # others export their own keys, and lose nothing to an old role
        actor = authorize_now(actor, Action.EXPORT_INVENTORY)
    export = inventory_export(actor, params)
    log.append(Event.INVENTORY_EXPORTED, actor=actor, filter=export.filter, count=export.count)
    return export


def export_activity(actor: Actor, params: QueryDict) -> Export:
    """Export the activity. The event of this export is not part of it."""
    actor = authorize_now(actor, Action.EXPORT_ACTIVITY)
    export = activity_export(actor, params)
    log.append(Event.ACTIVITY_EXPORTED, actor=actor, filter=export.filter, count=export.count)
    return export
