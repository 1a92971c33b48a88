"""Read the record out of the database, line by line, as keys.verifier.verify_bundle wants it. Memory stays flat.

What is appended while it is read is not in it. A database that somebody has changed is read as it is:
nothing here takes a column's word for what it holds, and a table that is gone reads as an empty one.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import CharField, Max, Min, Model, Q, QuerySet
from django.db.models.functions import Cast

from keys.models import AuditEvent, Checkpoint, Sealed
from keys.rules.events import Event
from keys.rules.formatting import utc_microseconds

Line = dict[str, Any]
PAGE = 1000
TOLERANCE = timedelta(minutes=5)
"""Of clocks on several machines, as verify_bundle.py allows it: no event is sealed so far out of its time."""
COLUMNS = (
    *("at", "type", "outcome", "actor_id", "actor_name", "actor_email", "actor_role"),
    *("key_name", "ip", "browser", "reason", "details"),
)
_BESIDE = ("leaf", "salt", "personal", "mac", "mac_chain", "mac_epoch")


def record() -> dict[str, Iterator[Line]]:
    """What the database and the anchor file hold now: events, unsealed events, checkpoints, anchors."""
    anchors = anchored()  # first: an anchor holds nothing that was not in the database before
    newest, size, last = _last(Checkpoint, "id"), _last(Sealed, "index"), _last(AuditEvent, "id")
    return {
        "anchors": anchors,
        "checkpoints": _checkpoints(newest),
        "events": events_between(0, size + 1),
        "unsealed": _unsealed(size, last),
    }


def run_of(since: datetime, until: datetime, size: int) -> tuple[int, int]:
    """From which index, to before which, every event of the period stands among the first ``size``.

    With a neighbour on either side that is older, or newer, than clocks may differ, where there is one.
    """
    signed = AuditEvent.objects.filter(sealed__index__lt=size)
    within = signed.filter(at__gte=since, at__lt=until).aggregate(
        first=Min("sealed__index"), last=Max("sealed__index")
    )
    older = signed.filter(at__lt=since - TOLERANCE).order_by("-at", "-id")
    newer = signed.filter(at__gte=until + TOLERANCE).order_by("at", "id")
    start = older.values_list("sealed__index", flat=True).first() or 0
    last = newer.values_list("sealed__index", flat=True).first()
    end = size if last is None else last + 1
    if within["first"] is not None:
        start, end = min(start, within["first"]), max(end, within["last"] + 1)
    return min(start, end), end


def unsigned_between(since: datetime, until: datetime, size: int) -> Iterator[Line]:
    """The events of a period that are not among the first ``size`` sealed ones."""
    later = Q(sealed__isnull=True) | Q(sealed__index__gte=size)
    return _outside(later, _last(AuditEvent, "id"), at__gte=since, at__lt=until)


def checkpoints_until(size: int) -> Iterator[Line]:
    """The checkpoints that sign ``size`` events or fewer, oldest first."""
    newest = Checkpoint.objects.filter(size__lte=size).aggregate(last=Max("id"))["last"]
    return _checkpoints(-1 if newest is None else newest)


def _last(model: type[Model], column: str) -> int:
    """-1 where there is none."""
    if not is_there(model):
        return -1
    found: int | None = model._default_manager.aggregate(last=Max(column))["last"]  # noqa: SLF001 - of any model
    return -1 if found is None else found


def is_there(model: type[Model]) -> bool:
    return model._meta.db_table in connection.introspection.table_names()  # noqa: SLF001 - Django's own name for it


def anchored() -> Iterator[Line]:
    """What the anchor file holds at this moment."""
    path = settings.PORTAL_AUDIT_ANCHOR_FILE
    if path is None or not path.exists():
        return iter(())
    return _lines_until(path, path.stat().st_size)


def _lines_until(path: Path, end: int) -> Iterator[Line]:
    with path.open("rb") as file:
        while file.tell() < end:
            yield json.loads(file.readline())


def _checkpoints(last: int) -> Iterator[Line]:
    rows = Checkpoint.objects.order_by("id").values_list("id", "size", "root", "at", "note")
    for _, size, root, at, note in _pages(rows, "id", last):
        yield {"size": size, "root": _hex(root), "at": _moment(at), "note": note}


def events_between(start: int, end: int) -> Iterator[Line]:
    """Sealed events in the order of their numbers. A number whose event is gone is left out, as a gap."""
    if not is_there(AuditEvent):
        return
    names = [f"event__{name}" for name in (*COLUMNS, *_BESIDE)]
    rows = Sealed.objects.order_by("index").annotate(its_key=Cast("event__key_id", CharField()))
    for index, digest, key, *values in _pages(
        rows.values_list("index", "leaf_hash", "its_key", *names), "index", end - 1, start - 1
    ):
        yield {"index": index, "hash": _hex(digest), **_line(key, values)}


def _unsealed(size: int, last: int) -> Iterator[Line]:
    """Every event without a place in the tree, whether it stands in the queue or was taken out of it.

    What was sealed since the reading began, too, and the erasures since then: their blanks have been read.
    """
    outside = Q(sealed__isnull=True) | Q(sealed__index__gt=size)
    yield from _outside(outside, last)
    yield from _outside(outside, _last(AuditEvent, "id"), id__gt=last, type=Event.PERSON_ERASED)


def _outside(which: Q, last: int, **further: Any) -> Iterator[Line]:
    """The events up to ``last`` that have, by ``which``, no place in the tree as it was."""
    rows = AuditEvent.objects.order_by("id").annotate(its_key=Cast("key_id", CharField())).filter(**further)
    if is_there(Sealed):
        rows = rows.filter(which)
    for _, key, *values in _pages(rows.values_list("id", "its_key", *COLUMNS, *_BESIDE), "id", last):
        yield _line(key, values)


def _pages(rows: QuerySet[Any, Any], column: str, last: int, after: int = -1) -> Iterator[tuple[Any, ...]]:
    """Of ``rows``, whose first value is ``column``, those after ``after`` up to ``last``, by its index."""
    while after < last:
        page = list(rows.filter(**{f"{column}__gt": after, f"{column}__lte": last})[:PAGE])
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1][0]


def _line(key: str | None, values: list[Any]) -> Line:
    columns = dict(zip((*COLUMNS, *_BESIDE), values, strict=True))
    leaf, salt, personal, mac, chain, epoch = (columns.pop(name) for name in _BESIDE)
    actor_id = columns["actor_id"]
    return {
        "leaf": _bytes(leaf).decode("utf-8", "surrogateescape"),
        "columns": columns
        | {
            "at": _moment(columns["at"]),
            "actor_id": None if actor_id is None else str(actor_id),
            "key_id": _uuid(key),
        },
        "salt": None if salt is None else _hex(salt),
        "personal": personal,
        "mac": {"chain": chain, "epoch": epoch, "tag": _hex(mac)},
    }


def _bytes(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


def _hex(value: Any) -> str:
    return _bytes(value).hex()


def _moment(value: Any) -> str:
    return utc_microseconds(value) if isinstance(value, datetime) else str(value)


def _uuid(value: str | None) -> str | None:
    """As a leaf spells it. SQLite keeps it without hyphens."""
    try:
        return None if value is None else str(uuid.UUID(value))
    except ValueError:
        return value
