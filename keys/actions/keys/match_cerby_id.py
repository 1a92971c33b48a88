"""Find the Cerby id of a key that a person created in Cerby's web app."""

from __future__ import annotations

import math
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from keys import cerby
from keys.actions.keys.repair import repair_keys
from keys.audit import log
from keys.models import LISTED, ApiKey
from keys.rules.errors import CerbyError
from keys.rules.events import Event
from keys.rules.folded_text import fold, foldings
from keys.rules.lifecycle import State
from keys.rules.permissions import Actor

CLOCK_TOLERANCE = timedelta(minutes=2)
MATCHABLE = (State.CLAIMED, State.HELD, State.REVOKING)


def match_cerby_ids(strangers: list[cerby.UpstreamKey]) -> dict[UUID, ApiKey]:
    """Match rows without a Cerby id to ``strangers``, store the id, and return the rows by id.

    Owner and name must be equal. A key that was requested in the portal must not be older than its
    request. If two rows match the same upstream key, neither is used, because nothing tells them apart.
    """
    if not strangers:
        return {}
    rows = ApiKey.objects.select_related("owner").filter(
        LISTED,  # the condition of the index on names
        cerby_id__isnull=True,
        state__in=MATCHABLE,
        owner__cerby_id__in={upstream.owner_id for upstream in strangers},
        name_order__in={each for upstream in strangers for each in foldings(upstream.name)},
    )
    waiting = list(rows)
    found = {}
    for upstream in strangers if waiting else ():
        matching = [row for row in waiting if _matches(row, upstream)]
        if len(matching) == 1 and _store_id(matching[0], upstream, None):
            found[upstream.id] = matching[0]
    return found


def match_cerby_id(key: ApiKey, actor: Actor | None) -> None:
    """Look up ``key`` in Cerby by owner and name, and store its id. Ignore errors from Cerby."""
    with suppress(CerbyError):
        within = math.inf if actor is None else cerby.A_PERSON_WAITS
        listed = cerby.connect().keys(statuses=[cerby.KeyStatus.ACTIVE], within=within)
        matching = [upstream for upstream in listed if _matches(key, upstream) and _is_unmatched(upstream)]
        if len(matching) == 1:
            _store_id(key, matching[0], actor)


def _matches(key: ApiKey, upstream: cerby.UpstreamKey) -> bool:
    if key.owner_cerby_id != upstream.owner_id or fold(key.name) != fold(upstream.name):
        return False
    was_requested_here = key.origin == ApiKey.Origin.PASTED
    return not was_requested_here or upstream.created_at >= key.created_at - CLOCK_TOLERANCE


def _is_unmatched(upstream: cerby.UpstreamKey) -> bool:
    return not ApiKey.objects.filter(cerby_id=upstream.id).exists()


def _store_id(key: ApiKey, upstream: cerby.UpstreamKey, actor: Actor | None) -> bool:
    if repair_keys([key]):  # somebody removed the id from the row, or changed the name or the owner
        return False
    columns: dict[str, Any] = {"cerby_id": upstream.id}
    created: dict[str, Any] = {}
    if not key.created_known and upstream.created_at < key.expires_at:
        columns |= {"created_at": upstream.created_at, "created_known": True}
        created = {"created_at": upstream.created_at.isoformat(), "created_known": True}
    if key.state == State.REVOKING:
        columns["due_at"] = timezone.now()  # the reconciler can delete the key in Cerby now
    rows = ApiKey.objects.filter(pk=key.pk, cerby_id__isnull=True, state__in=MATCHABLE)
    stored = False
    with suppress(IntegrityError), transaction.atomic():  # another row may have this id by now
        stored = rows.update(**columns) == 1
        if stored:
            log.append(Event.KEY_IDENTIFIED, actor=actor, key=key, cerby_id=str(upstream.id), **created)
            for name, value in columns.items():
                setattr(key, name, value)
    return stored
