"""Name the person who started a deletion that the portal itself carried out."""

from __future__ import annotations

from collections.abc import Sequence

from keys.models import AuditEvent
from keys.rules.events import Event
from keys.selectors.activity.row import EventRow
from keys.tlog.leaf import ERASED

CARRIED_OUT = "carried out by the portal"


def name_starters(rows: Sequence[EventRow]) -> list[EventRow]:
    """Return ``rows`` with the person who started the deletion instead of "The portal", if somebody did.

    The portal carries out a deletion itself if Cerby did not answer at first. The event stays as it is.
    """
    keys = {row.key_id for row in rows if _is_by_the_portal(row)}
    if not keys:
        return list(rows)
    starts = AuditEvent.objects.filter(key_id__in=keys, type=Event.KEY_DELETION_STARTED).order_by("id")
    columns = ("id", "key_id", "actor_id", "actor_name", "actor_email")
    started = list(starts.values_list(*columns))

    def named(row: EventRow) -> EventRow:
        before = [one for one in started if one[1] == row.key_id and one[0] < row.id]
        if not _is_by_the_portal(row) or not before or not before[-1][2]:
            return row
        _, _, who_id, who, email = before[-1]
        return row._replace(who_id=who_id, who=who or ERASED, who_email=email, who_role=CARRIED_OUT)

    return [named(row) for row in rows]


def _is_by_the_portal(row: EventRow) -> bool:
    return row.type == Event.KEY_DELETED and not row.who_id and row.key_id is not None
