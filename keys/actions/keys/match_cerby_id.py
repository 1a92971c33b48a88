"""Learn Cerby's own id of a key that a person made in its web app, where the server lists its keys."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from keys import cerby
from keys.audit import log
from keys.models import LISTED, ApiKey, fold
from keys.rules.errors import CerbyError
from keys.rules.events import Event
from keys.rules.lifecycle import State
from keys.rules.policy import Actor

CLOCKS_DIFFER = timedelta(minutes=2)
NOT_ENDED = (State.CLAIMED, State.HELD, State.REVOKING)


def match_cerby_ids(strangers: list[cerby.UpstreamKey]) -> dict[UUID, ApiKey]:
    """Rows without Cerby's id that one of ``strangers`` fits, and that have its id from now on; by that id.

    A key fits by owner, name and, where the portal saw the request, by not being older than that. Two rows
    that fit are told apart by nothing, so neither is taken.
    """
    if not strangers:
        return {}
    rows = ApiKey.objects.select_related("owner").filter(
        LISTED,  # what the index on names has
        cerby_id__isnull=True,
        state__in=NOT_ENDED,
        owner__cerby_id__in={upstream.owner_id for upstream in strangers},
        name_order__in={fold(upstream.name) for upstream in strangers},
    )
    waiting = list(rows)
    found = {}
    for upstream in strangers if waiting else ():
        fitting = [row for row in waiting if _is(row, upstream) and _fits(row, upstream)]
        if len(fitting) == 1 and _take_id(fitting[0], upstream, None):
            found[upstream.id] = fitting[0]
    return found


def match_cerby_id(key: ApiKey, actor: Actor | None) -> None:
    """Look ``key`` up in Cerby's list by owner and name; where that fails, it goes on without Cerby's id."""
    with suppress(CerbyError):
        listed = cerby.connect().keys(statuses=[cerby.KeyStatus.ACTIVE])
        fitting = [one for one in listed if _is(key, one) and _fits(key, one) and _is_free(one)]
        if len(fitting) == 1:
            _take_id(key, fitting[0], actor)


def _is(key: ApiKey, upstream: cerby.UpstreamKey) -> bool:
    return key.owner_cerby_id == upstream.owner_id and key.name_order == fold(upstream.name)


def _fits(key: ApiKey, upstream: cerby.UpstreamKey) -> bool:
    was_requested = key.origin == ApiKey.Origin.PASTED
    return not was_requested or upstream.created_at >= key.created_at - CLOCKS_DIFFER


def _is_free(upstream: cerby.UpstreamKey) -> bool:
    return not ApiKey.objects.filter(cerby_id=upstream.id).exists()


def _take_id(key: ApiKey, upstream: cerby.UpstreamKey, actor: Actor | None) -> bool:
    columns: dict[str, Any] = {"cerby_id": upstream.id}
    if key.state == State.REVOKING:
        columns["due_at"] = timezone.now()  # what waited for a person can be done by the reconciler now
    rows = ApiKey.objects.filter(pk=key.pk, cerby_id__isnull=True, state__in=NOT_ENDED)
    taken = False
    with suppress(IntegrityError), transaction.atomic():  # another row may have this id by now
        taken = rows.update(**columns) == 1
        if taken:
            log.append(Event.KEY_IDENTIFIED, actor=actor, key=key, cerby_id=str(upstream.id))
            key.cerby_id = upstream.id
    return taken
