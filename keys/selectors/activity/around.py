"""Read a bounded number of events beside a page, to know which of its acts continue on other pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from django.db.models import F
from django.db.models.lookups import In

from keys.models import AuditEvent
from keys.selectors.activity.acts import OF_ONE_KEY, Around, Step, act_id
from keys.selectors.activity.filters import ActivityFilter, Events
from keys.selectors.inventory.keyset import Page, Unindexed, order_by, page
from keys.tlog.leaf import readable

COLUMNS = ("id", "type", "outcome", "actor_id", "key_id", "at", "details", "personal")
WITHIN = timedelta(days=31)
MOST = 500
"""The other steps of an act on one key are looked for within this time, and at most so many of them."""


def steps_of(values: Iterable[tuple[Any, ...]], columns: Sequence[str] = COLUMNS) -> list[Step]:
    """Return the steps for ``values`` of ``columns``."""
    places = [columns.index(name) for name in COLUMNS]
    return [_step(*(row[place] for place in places)) for row in values]


def _step(*values: Any) -> Step:
    *facts, details, personal = values
    return Step._make([*facts, readable(details, personal)])


def around(wanted: ActivityFilter, shown: Page[Any], steps: list[Step]) -> Around:
    """Return the events beside the page that may belong to its acts, in a fixed number of queries."""
    newer, older = _steps_of_keys(wanted, steps)
    if any(act_id(step) for step in steps):
        newer = [*_beside(wanted, before=shown.before), *newer]
        older = [*older, *_beside(wanted, after=shown.after)]
    return Around(newer, older)


def steps_of_keys(steps: list[Step]) -> Events:
    """Return the events of the acts on one key in ``steps``: one range of an index for each key."""
    keys = sorted({step.key_id for step in steps if step.type in OF_ONE_KEY and step.key_id})
    time = (steps[-1].at - WITHIN, steps[0].at + WITHIN) if steps else ()
    in_time = (
        AuditEvent.objects.filter(key_id__in=keys, at__range=time) if keys else AuditEvent.objects.none()
    )
    return in_time.filter(In(Unindexed(F("type")), OF_ONE_KEY))


def _steps_of_keys(wanted: ActivityFilter, steps: list[Step]) -> tuple[list[Step], list[Step]]:
    """Return the newer and the older ones that the filter finds, each newest first."""
    found = steps_of(steps_of_keys(steps).values_list(*COLUMNS)[:MOST])
    if found and wanted.in_use():
        events = order_by(wanted.events(), wanted.order())
        met = set(events.filter(pk__in=[step.id for step in found]).values_list("pk", flat=True))
        found = [step for step in found if step.id in met]
    found.sort(key=lambda step: step.place, reverse=True)
    newer = [step for step in found if step.place > steps[0].place]
    return newer, [step for step in found if step.place < steps[-1].place]


def _beside(wanted: ActivityFilter, *, after: int | None = None, before: int | None = None) -> list[Step]:
    """Return the steps on the next or the previous page."""
    if after is None and before is None:
        return []
    events = wanted.events().values_list(*COLUMNS)
    everything, among = AuditEvent.objects.all(), wanted.alternatives()
    return steps_of(page(events, wanted.order(), everything, after=after, before=before, among=among).rows)
