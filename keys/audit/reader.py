"""Read the audit log from the database as the lines that keys.verifier.verify_bundle checks.

The lines are read in pages, so memory use does not grow with the log. Events that are appended during the
read are left out. The reader must work on a database that somebody has tampered with: it does not rely on the
types of the columns, and a missing table counts as empty.
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
"""How far sealed events may be out of time order, because clocks differ; the same as in verify_bundle.py."""
COLUMNS = (
    *("at", "type", "outcome", "actor_id", "actor_name", "actor_email", "actor_role"),
    *("key_name", "ip", "browser", "reason", "details"),
)
ERASURES = (Event.PERSON_ERASED, Event.ERASED_LISTED)
_PROOF_COLUMNS = ("leaf", "salt", "personal", "mac", "mac_chain", "mac_epoch")


def record() -> dict[str, Iterator[Line]]:
    """Return the lines of the current log: events, unsealed events, checkpoints and anchors."""
    anchors = anchor_lines()  # first: each checkpoint is in the database before it is in an anchor
    newest, size, last = _last(Checkpoint, "id"), _last(Sealed, "index"), _last(AuditEvent, "id")
    return {
        "anchors": anchors,
        "checkpoints": _checkpoints(newest),
        "events": events_between(0, size + 1),
        "unsealed": _unsealed(size, last),
    }


def index_range(since: datetime, until: datetime, size: int) -> tuple[int, int]:
    """Return the start and end index of the sealed events that cover a period, among the first ``size``.

    The range includes one event on each side, if there is one, that is outside the period by more than
    ``TOLERANCE``. It proves that no event of the period is outside the range.
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
    """Yield the events of a period that are not among the first ``size`` sealed events."""
    later = Q(sealed__isnull=True) | Q(sealed__index__gte=size)
    return _outside(later, _last(AuditEvent, "id"), at__gte=since, at__lt=until)


def checkpoints_until(size: int) -> Iterator[Line]:
    """Yield the checkpoints of at most ``size`` events, oldest first."""
    newest = Checkpoint.objects.filter(size__lte=size).aggregate(last=Max("id"))["last"]
    return _checkpoints(-1 if newest is None else newest)


def _last(model: type[Model], column: str) -> int:
    """Return the largest value of ``column``, or -1 if there are no rows."""
    if not table_exists(model):
        return -1
    found: int | None = model._default_manager.aggregate(last=Max(column))["last"]  # noqa: SLF001 - of any model
    return -1 if found is None else found


def table_exists(model: type[Model]) -> bool:
    return model._meta.db_table in connection.introspection.table_names()  # noqa: SLF001 - Django's own name for it


def anchor_lines() -> Iterator[Line]:
    """Yield the lines that the anchor file has now."""
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
    """Yield the sealed events in order. If an event has been deleted, its index is missing."""
    if not table_exists(AuditEvent):
        return
    names = [f"event__{name}" for name in (*COLUMNS, *_PROOF_COLUMNS)]
    rows = Sealed.objects.order_by("index").annotate(key_text=Cast("event__key_id", CharField()))
    for index, digest, key, *values in _pages(
        rows.values_list("index", "leaf_hash", "key_text", *names), "index", end - 1, start - 1
    ):
        yield {"index": index, "hash": _hex(digest), **_line(key, values)}


def _unsealed(size: int, last: int) -> Iterator[Line]:
    """Yield every event that was not sealed when the read began, even if it is not in the queue.

    This includes erasures that were recorded during the read, because their effect may have been read.
    """
    outside = Q(sealed__isnull=True) | Q(sealed__index__gt=size)
    yield from _outside(outside, last)
    yield from _outside(outside, _last(AuditEvent, "id"), id__gt=last, type__in=ERASURES)


def _outside(not_in_tree: Q, last: int, **filters: Any) -> Iterator[Line]:
    """Yield the events with ids up to ``last`` that match ``not_in_tree`` and ``filters``."""
    rows = AuditEvent.objects.order_by("id").annotate(key_text=Cast("key_id", CharField())).filter(**filters)
    if table_exists(Sealed):
        rows = rows.filter(not_in_tree)
    for _, key, *values in _pages(rows.values_list("id", "key_text", *COLUMNS, *_PROOF_COLUMNS), "id", last):
        yield _line(key, values)


def _pages(rows: QuerySet[Any, Any], column: str, last: int, after: int = -1) -> Iterator[tuple[Any, ...]]:
    """Yield ``rows`` with ``after`` < ``column`` <= ``last``, in pages. Each row starts with ``column``."""
    while after < last:
        page = list(rows.filter(**{f"{column}__gt": after, f"{column}__lte": last})[:PAGE])
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1][0]


def _line(key: str | None, values: list[Any]) -> Line:
    columns = dict(zip((*COLUMNS, *_PROOF_COLUMNS), values, strict=True))
    leaf, salt, personal, mac, chain, epoch = (columns.pop(name) for name in _PROOF_COLUMNS)
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
    """Return the id in the form that leaves use. SQLite stores it without hyphens."""
    try:
        return None if value is None else str(uuid.UUID(value))
    except ValueError:
        return value
