"""Freeze a list of keys that a person selected, for a bulk action on exactly these keys."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.utils import timezone

from keys.models import ApiKey, SelectedKey, Selection
from keys.rules.batches import PAUSE, batches, each_alone, in_turns
from keys.rules.bulk import MOST_KEYS, WATCHED, seen
from keys.rules.errors import Conflict, Invalid
from keys.rules.permissions import Actor
from keys.selectors.bulk.selection import left, selection_for
from keys.selectors.inventory.conditions import narrow
from keys.selectors.inventory.filters import SORTS, InventoryFilter
from keys.selectors.inventory.keyset import order_by
from keys.selectors.inventory.table import visible_to

NOTHING = "No key is selected, so nothing was done. Select at least one key first."
LISTS_KEPT = 20
"""A person's older lists without an action are deleted."""
AT_ONCE = 500
WRITTEN_AT_ONCE = 2000
"""The most keys in one transaction."""
LONGEST_ADDRESS = 4000

_COLUMNS = ("pk", *WATCHED)


def freeze_matching(actor: Actor, params: QueryDict, *also: QueryDict) -> Selection:
    """Freeze the list of all keys that match the inventory's query string, in its order.

    The keys that match one of ``also`` follow.

    It holds at most ``MOST_KEYS``; ``has_more`` says if there are others. Raises ``Invalid`` if the filter is
    not valid or nothing matches, and ``NotAllowed``.
    """
    visible = visible_to(actor)
    wanted = InventoryFilter(params)
    found: list[dict[str, Any]] = []
    for each in (wanted, *map(InventoryFilter, also)):
        if not each.is_valid():
            raise Invalid(each.reasons())
        found += order_by(*each.keys(*visible)).values(*_COLUMNS)[: MOST_KEYS + 1]
    return _freeze(actor, found[: MOST_KEYS + 1], params, wanted)


def freeze_ticked(actor: Actor, ids: Iterable[UUID], params: QueryDict) -> Selection:
    """Freeze the list of the keys with these ``ids``, without those that the actor may not see.

    ``params``: the query string of the page on which they were ticked. Raises ``Invalid`` if there is none.
    """
    visible = visible_to(actor)
    wanted = list(dict.fromkeys(ids))[:MOST_KEYS]
    by_id: dict[UUID, dict[str, Any]] = {}
    for some in batches(wanted, AT_ONCE):
        keys, _ = narrow(ApiKey.objects.filter(pk__in=some), visible, "created", SORTS["created"])
        by_id |= {row["pk"]: row for row in keys.values(*_COLUMNS)}
    return _freeze(actor, [by_id[each] for each in wanted if each in by_id], params, InventoryFilter(params))


def select_again(actor: Actor, selection_id: UUID) -> Selection:
    """Freeze the keys that an ended action has not done, as they are now. The old list stays as it is.

    Raises ``Conflict`` while the action runs, and ``Invalid`` if it has done all keys.
    """
    visible_to(actor)
    old = selection_for(actor, selection_id)
    if old.is_running:
        raise Conflict("This action is still running. Stop it first, or wait until it has finished.")
    items = {item.key_id: item.purpose for item in left(old).order_by("position")}
    by_id: dict[UUID, dict[str, Any]] = {}
    for some in batches(items, AT_ONCE):
        by_id |= {row["pk"]: row for row in ApiKey.objects.filter(pk__in=some).values(*_COLUMNS)}
    rows = [by_id[each] for each in items if each in by_id]
    params = QueryDict(old.query)
    return _freeze(actor, rows, params, InventoryFilter(params), items)


def _freeze(
    actor: Actor,
    rows: Sequence[dict[str, Any]],
    params: QueryDict,
    wanted: InventoryFilter,
    purposes: dict[UUID, str] | None = None,
) -> Selection:
    """Write the list. Others may write after at most ``WRITTEN_AT_ONCE`` keys.

    Its count stays 0 until it is whole, and nobody finds it before. If this breaks off, ``_make_room`` or
    ``forget_old_selections`` deletes the rest.
    """
    if not rows:
        raise Invalid(NOTHING)
    kept = rows[:MOST_KEYS]
    _make_room(actor)
    selection = Selection.objects.create(
        user_id=actor.user_id,
        made_at=timezone.now(),
        query=_address(params),
        filter=(wanted.in_words() if wanted.is_valid() else "")[:1000],
        count=0,
        has_more=len(rows) > MOST_KEYS,
    )
    items = (
        SelectedKey(
            selection=selection,
            position=position,
            key_id=row["pk"],
            seen=seen(row),
            purpose=(purposes or {}).get(row["pk"], ""),
        )
        for position, row in enumerate(kept)
    )
    for some in in_turns(each_alone(items), WRITTEN_AT_ONCE):
        SelectedKey.objects.bulk_create(some, batch_size=AT_ONCE)
    selection.count = len(kept)
    selection.save(update_fields=["count"])
    return selection


def _address(params: QueryDict) -> str:
    """Return the query string for the way back, or nothing if no browser sends such a long one.

    A part of it would be another filter.
    """
    query = params.urlencode()
    return query if len(query) <= LONGEST_ADDRESS else ""


def _make_room(actor: Actor) -> None:
    """Delete the person's oldest lists without an action, so that the number of rows stays bounded."""
    unused = Selection.objects.filter(user_id=actor.user_id, started_at=None).order_by("-made_at")
    _delete(unused[LISTS_KEPT - 1 :], Q(started_at=None))


def forget_old_selections() -> None:
    """Delete lists that are older than a day. What was done with the keys is in the audit log."""
    not_running = Q(started_at=None) | Q(finished_at__isnull=False)
    _delete(Selection.objects.filter(not_running, made_at__lt=timezone.now() - Selection.KEPT), not_running)


def _delete(lists: QuerySet[Selection], still: Q) -> None:
    """Delete the lists one by one, because on SQLite nobody else can write meanwhile."""
    for number, pk in enumerate(list(lists.values_list("pk", flat=True))):
        if number:
            time.sleep(PAUSE)
        Selection.objects.filter(still, pk=pk).delete()
