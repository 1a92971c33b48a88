"""Export the inventory or the activity as CSV, and record the export."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from uuid import UUID

from django.db import connection, transaction
from django.http import QueryDict

from keys.actions.people.confirm_role import authorize_now
from keys.audit import log
from keys.rules.events import Event
from keys.rules.permissions import Action, Actor
from keys.selectors.activity.table import activity_export
from keys.selectors.bulk.selection import selection_for
from keys.selectors.inventory.exports import Export
from keys.selectors.inventory.table import inventory_export, selection_export, visible_to


def export_inventory(actor: Actor, params: QueryDict) -> Export:
    if actor.may(Action.SEE_INVENTORY):  # others export their own keys, and lose nothing to an old role
        actor = authorize_now(actor, Action.EXPORT_INVENTORY)
    visible_to(actor)  # records a refusal, which the transaction would roll back
    with _reading_and_writing():
        export = inventory_export(actor, params)
        log.append(Event.INVENTORY_EXPORTED, actor=actor, filter=export.filter, count=export.count)
    return export


def export_selection(actor: Actor, selection_id: UUID) -> Export:
    """Export the keys of a frozen list, as they are now."""
    if actor.may(Action.SEE_INVENTORY):
        actor = authorize_now(actor, Action.EXPORT_INVENTORY)
    visible_to(actor)
    selection = selection_for(actor, selection_id)
    with _reading_and_writing():
        export = selection_export(actor, selection)
        log.append(Event.INVENTORY_EXPORTED, actor=actor, filter=export.filter, count=export.count)
    return export


def export_activity(actor: Actor, params: QueryDict) -> Export:
    """Export the activity. The event of this export is not part of it."""
    actor = authorize_now(actor, Action.EXPORT_ACTIVITY)
    with _reading_and_writing():
        export = activity_export(actor, params)
        log.append(Event.ACTIVITY_EXPORTED, actor=actor, filter=export.filter, count=export.count)
    return export


def _reading_and_writing() -> AbstractContextManager[object]:
    """Let nobody write between the start of the query, whose rows are read later, and the event.

    SQLite refuses a transaction at once if a statement that is still being read began before another
    process wrote. In PostgreSQL, the rows could not be read after the end of a transaction.
    """
    return transaction.atomic() if connection.vendor == "sqlite" else nullcontext()
