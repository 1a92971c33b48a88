"""Add keys that Cerby lists and the inventory lacks, one page at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

import structlog
from django.db import DataError, IntegrityError, transaction

from keys import cerby
from keys.audit import log
from keys.models import ApiKey, User
from keys.rules.batches import each_alone, in_turns
from keys.rules.events import Event
from keys.rules.lifecycle import State
from keys.rules.scopes import in_order
from keys.tlog.leaf import TooLarge

AT_ONCE = 100
"""The most keys in one transaction."""

logger = structlog.get_logger(__name__)


def discover(strangers: Iterable[cerby.UpstreamKey], owners: Mapping[UUID, User], at: datetime) -> int:
    """Add ``strangers``, confirmed at time ``at``, with their events. Return how many were added.

    A key that cannot be stored is logged and skipped.
    """
    keys = [key for upstream in strangers if (key := _build_key(upstream, owners, at))]
    return sum(_add_or_skip(some) for some in in_turns(each_alone(keys), AT_ONCE))


def _add_or_skip(keys: list[ApiKey]) -> int:
    try:
        _add(keys)
    except (IntegrityError, DataError, TooLarge):
        return sum(_add_one(key) for key in keys)
    return len(keys)


def _build_key(upstream: cerby.UpstreamKey, owners: Mapping[UUID, User], at: datetime) -> ApiKey | None:
    owner = owners.get(upstream.owner_id)
    if owner is None or upstream.expires_at is None:
        logger.error("key_without_owner_or_expiry", cerby_id=str(upstream.id))
        return None
    return ApiKey(
        cerby_id=upstream.id,
        origin=ApiKey.Origin.DISCOVERED,
        name=upstream.name[:100],
        owner=owner,
        scopes=in_order(upstream.scopes),
        state=State.HELD,
        created_at=upstream.created_at,
        expires_at=upstream.expires_at,
        last_used_at=upstream.last_used_at,
        confirmed_at=at,
        **ApiKey.owner_columns(owner),
    )


def _add_one(key: ApiKey) -> bool:
    try:
        _add([key])
    except (IntegrityError, DataError, TooLarge):
        logger.exception("key_not_taken_over", cerby_id=str(key.cerby_id))
        return False
    return True


def _add(keys: list[ApiKey]) -> None:
    with transaction.atomic():
        ApiKey.objects.bulk_create(keys)
        for key in keys:
            log.append(
                Event.KEY_DISCOVERED,
                actor=None,
                key=key,
                cerby_id=str(key.cerby_id),
                owner_id=str(key.owner_id),
                scopes=key.scopes,
                created_at=key.created_at.isoformat(),
                expires_at=key.expires_at.isoformat(),
            )
