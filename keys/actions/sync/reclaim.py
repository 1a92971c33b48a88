"""Recognise keys of Cerby's list whose rows were deleted or lost their Cerby id, and restore the rows.

The audit log knows such a key. Without this, the sweep would record it as discovered, like a stranger.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

import structlog
from django.db import DataError, IntegrityError, transaction

from keys import cerby
from keys.actions.keys.repair import (
    details_of,
    logged_ownership,
    record_unrepaired,
    repair_keys,
    state_columns,
)
from keys.audit import log
from keys.evidence.logged_keys import SEEN, LoggedKey, logged_keys
from keys.models import ApiKey, AuditEvent, LoggedCerbyId, User
from keys.rules.events import BEGINS, Event
from keys.rules.lifecycle import PHASE, Phase, State
from keys.rules.scope_lists import are_same, is_cut
from keys.rules.scopes import in_order
from keys.tlog.leaf import TooLarge

DELETED = "The row of this key was deleted from the database."
NOT_RESTORED = f"{DELETED} It could not be restored from the audit log, so the inventory lacks the key."
PROVED = {ApiKey.Origin.PASTED, ApiKey.Origin.REGISTERED}

logger = structlog.get_logger(__name__)


def reclaim(strangers: Sequence[cerby.UpstreamKey], owners: Mapping[UUID, User], refused: set[UUID]) -> bool:
    """Restore the rows of ``strangers`` that the log knows, and return whether there were any.

    Add to ``refused`` Cerby's ids of the keys whose rows could not be restored.
    """
    known = _ids_in_log(strangers)
    if not known:
        return False
    rows = ApiKey.objects.in_bulk(list(known.values()))
    results = repair_keys(list(rows.values()))
    for upstream in strangers:
        key_id = known.get(upstream.id)
        if key_id is not None and key_id not in rows:
            restored = _restore(key_id, upstream, owners)
            if restored is not None:
                results[key_id] = restored
    refused.update(cerby_id for cerby_id, key_id in known.items() if results.get(key_id) is False)
    return any(results.values())


def _ids_in_log(strangers: Sequence[cerby.UpstreamKey]) -> dict[UUID, UUID]:
    """Return our ids of the keys that the log knows, by Cerby's id. A match by ``externalId`` wins."""
    events = AuditEvent.objects.filter(key_id__isnull=False).order_by("id")
    ids = [str(key.id) for key in strangers]
    by_cerby_id = events.annotate(cerby=LoggedCerbyId()).filter(cerby__in=ids).values_list("cerby", "key_id")
    known = {UUID(found): key_id for found, key_id in by_cerby_id if key_id is not None}
    external = {key.external_id: key.id for key in strangers if key.external_id}
    births = events.filter(key_id__in=list(external), type__in=BEGINS).values_list("key_id", flat=True)
    return known | {external[key_id]: key_id for key_id in births if key_id is not None}


def _restore(key_id: UUID, upstream: cerby.UpstreamKey, owners: Mapping[UUID, User]) -> bool | None:
    """Return whether the deleted row was restored, or None if ``upstream`` is not that key any more."""
    logged = logged_keys([key_id])[key_id]
    cerby_id = logged.values.get("cerby_id")
    if upstream.external_id != key_id and cerby_id != str(upstream.id):
        return None
    logger.error("row_contradicts_log", key_id=str(key_id))
    with suppress(IntegrityError, DataError, TooLarge), transaction.atomic():
        key = _row(key_id, logged, upstream, owners)
        if key is not None:
            key.save(force_insert=True)
            details = details_of({}, _reported(key))
            owner_id = str(key.owner_id)
            log.append(Event.KEY_REPAIRED, actor=None, key=key, reason=DELETED, **details, owner_id=owner_id)
            return True
    record_unrepaired(ApiKey(pk=key_id, name=logged.values["name"]), NOT_RESTORED)
    return False


def _row(
    key_id: UUID, logged: LoggedKey, upstream: cerby.UpstreamKey, owners: Mapping[UUID, User]
) -> ApiKey | None:
    """Return the row by the log. Cerby's values stand in for those that old events did not record."""
    values = logged.values
    owner = User.objects.filter(pk=values.get("owner") or 0).first() or owners.get(upstream.owner_id)
    if owner is None or len(logged.states) != 1:
        return None
    scopes = values.get("scopes", upstream.scopes)
    if is_cut(scopes):
        if not are_same(scopes, upstream.scopes):
            return None
        scopes = upstream.scopes
    [name] = logged.states
    state = State(name)
    origin = values.get("origin", ApiKey.Origin.DISCOVERED)
    if origin in PROVED and PHASE[state] is Phase.LIVE:
        origin = ApiKey.Origin.DECLARED  # its fingerprint is lost
    return ApiKey(
        id=key_id,
        cerby_id=UUID(values["cerby_id"]) if values.get("cerby_id") else None,
        origin=origin,
        name=values["name"],
        purpose=values.get("purpose", ""),
        owner=owner,
        owner_left_at=owner.left_at,
        scopes=in_order(scopes),
        created_at=values.get("created_at", upstream.created_at),
        created_known=values.get("created_known", True),
        expires_at=values.get("expires_at", upstream.expires_at),
        last_four=values.get("last_four", ""),
        **{name: values[name] for name in SEEN if name in values},
        **ApiKey.owner_columns(owner),
        **logged_ownership(values),
        **state_columns(state, logged.removed_at),
    )


def _reported(key: ApiKey) -> dict[str, Any]:
    names = (
        *("name", "purpose", "owner_email", "scopes", "created_at", "expires_at", "cerby_id", "origin"),
        *(
            "accountable_id",
            "backup_id",
            "team",
            "system",
            "kind",
            "environment",
            "review_on",
            "note",
            "tags",
        ),
    )
    return {name: getattr(key, name) for name in (*names, "state")}
