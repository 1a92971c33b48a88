"""Say what the ids in events stand for: the act of which an event is a part, and the person it is about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Q

from keys.models import AuditEvent, User
from keys.rules.events import Event
from keys.selectors.activity.row import Act, EventRow
from keys.selectors.activity.starters import name_starters
from keys.selectors.activity.words import ACTS

LONGEST_ACT = timedelta(days=2)
"""A list of selected keys is kept for a day, so its action has ended by then."""
_STARTS = (Event.BULK_STARTED, Event.INVENTORY_COMPARED)
_PEOPLE = {"person": "person", "owner_id": "owner"}
_IN_IMPORTS = {Event.KEY_REGISTERED, Event.KEY_WITHDRAWN}


def with_names(rows: Sequence[EventRow]) -> list[EventRow]:
    """Return ``rows`` with names instead of ids. That is at most one query for each kind of name."""
    starts, people = _starts(rows), _people(rows)
    return [_named(row, starts, people) for row in name_starters(rows)]


def _starts(rows: Iterable[EventRow]) -> dict[str, tuple[Any, ...]]:
    """Return type, id and details of the event that began each act, by the id of the act."""
    wanted: dict[str, Q] = {}
    for row in rows:
        if "part_of" in row.ids and row.type not in _STARTS:
            at = datetime.fromisoformat(row.at_iso)
            period = Q(at__gte=at - LONGEST_ACT, at__lte=at + LONGEST_ACT)
            act = Q(details__part_of=row.ids["part_of"], actor_email=row.who_email)
            wanted.setdefault(row.ids["part_of"], act & period)
    if not wanted:
        return {}
    events = AuditEvent.objects.filter(reduce(or_, wanted.values()), type__in=_STARTS, outcome="done")
    found = events.order_by("-at", "-id").values_list("type", "uid", "details")
    return {details["part_of"]: (kind, uid, details) for kind, uid, details in found}


def _people(rows: Iterable[EventRow]) -> dict[int, str]:
    ids = {int(row.ids[name]) for row in rows for name in _PEOPLE if row.ids.get(name, "").isdigit()}
    return dict(User.objects.filter(pk__in=ids).values_list("pk", "name")) if ids else {}


def _named(row: EventRow, starts: dict[str, tuple[Any, ...]], people: dict[int, str]) -> EventRow:
    names = [
        (label, people.get(int(row.ids[name]), row.ids[name]))
        for name, label in _PEOPLE.items()
        if row.ids.get(name, "").isdigit() and not _says_who(row)
    ]
    return row._replace(details=[*row.details, *names], act=_act(row, starts))


def _says_who(row: EventRow) -> bool:
    return bool(row.changes) or any(label in {"email", "owner"} for label, _ in row.details)


def _act(row: EventRow, starts: dict[str, tuple[Any, ...]]) -> Act | None:
    if row.type in _STARTS or not row.ids.keys() & {"part_of", "import"}:
        return None
    start = starts.get(row.ids.get("part_of", ""))
    if start is None:
        return Act("an import" if row.type in _IN_IMPORTS else "an act on several keys", None)
    kind, uid, details = start
    if kind == Event.INVENTORY_COMPARED:
        return Act("comparison with Cerby's web app", uid)
    count = details["count"]
    keys = f"{count:,} key{'' if count == 1 else 's'}"
    return Act(f"bulk action, {ACTS.get(details['act'], details['act'])} ({keys})", uid)
