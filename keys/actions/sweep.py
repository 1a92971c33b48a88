"""Walk through everything that Cerby lists, compare it with the inventory, and act on what came of it.

What lives in Cerby and should not is revoked, unless that is so much that something else must be wrong.
What Cerby does not list any more is marked as missing, and nothing is ever revoked for being unknown here.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from itertools import islice

import structlog
from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from keys import cerby
from keys.actions.compare import LISTING_MAY_BE_OLD, Sweep, compare
from keys.actions.owners import Owners
from keys.actions.revoke import revoke
from keys.audit import log
from keys.audit.events import Event
from keys.errors import CerbyError, Conflict
from keys.lifecycle import Move, Phase
from keys.models import ApiKey
from keys.moves import move

PAGE = 100

logger = structlog.get_logger(__name__)


def sweep() -> Sweep:
    """One comparison. Raises ``CerbyError`` where the listing broke off; nothing counts as missing then."""
    found = Sweep(started_at=timezone.now())
    owners = Owners()
    for page in _pages(cerby.connect().keys()):
        compare(page, owners, found)
    _mark_missing(found)
    _revoke_what_should_not_live(found)
    _count(found)
    return found


def _count(found: Sweep) -> None:
    confirmed = Q(confirmed_at__gte=found.started_at)
    counts = ApiKey.objects.filter(phase=Phase.LIVE).aggregate(
        live=Count("pk"), confirmed=Count("pk", filter=confirmed)
    )
    found.live, found.confirmed = counts["live"], counts["confirmed"]


def _pages(keys: Iterable[cerby.UpstreamKey]) -> Iterator[list[cerby.UpstreamKey]]:
    """Lists of at most ``PAGE``: memory and queries stay bounded, however many keys there are."""
    iterator = iter(keys)
    while batch := list(islice(iterator, PAGE)):
        yield batch


def _mark_missing(found: Sweep) -> None:
    """Live here, and not in a complete listing that should have had it."""
    new = found.started_at - LISTING_MAY_BE_OLD
    gone = ApiKey.objects.filter(
        Q(confirmed_at__lt=new) | Q(confirmed_at__isnull=True, created_at__lt=new),
        cerby_id__isnull=False,  # without it nobody can tell
        phase=Phase.LIVE,
        missing_since__isnull=True,
        expires_at__gt=found.started_at,
    )
    while marked := _mark_as_missing(gone, found.started_at):
        found.missing += marked


def _mark_as_missing(gone: QuerySet[ApiKey], since: datetime) -> int:
    """A page of ``gone`` and its events, or neither. Returns how many."""
    with transaction.atomic():
        page = list(gone.select_for_update()[:PAGE])
        ApiKey.objects.filter(pk__in=[key.pk for key in page]).update(missing_since=since)
        for key in page:
            log.append(Event.KEY_MISSING, actor=None, key=key)
    return len(page)


def _revoke_what_should_not_live(found: Sweep) -> None:
    """The breaker: more than three, and more than one in twenty, is no accident of single keys."""
    if len(found.to_revoke) > max(3, found.listed // 20):
        found.stopped = True
        log.append(
            Event.SWEEP_STOPPED,
            actor=None,
            outcome=log.Outcome.FAILED,
            reason="More keys live in Cerby that should not than can be an accident. None was revoked.",
            revocations=len(found.to_revoke),
            keys=found.listed,
        )
        logger.error("sweep_stopped", count=len(found.to_revoke))
        return
    for key_id, cerby_id in found.to_revoke:
        with suppress(Conflict, CerbyError):  # recorded; the reconciler goes on
            _revoke(ApiKey.objects.get(pk=key_id), cerby_id)
            found.revoked += 1


def _revoke(key: ApiKey, cerby_id: uuid.UUID) -> None:
    reason = "Cerby lists this key as live, and it has ended here."
    move(key, Move.REAPPEAR, Event.KEY_DELETION_STARTED, None, changes={"cerby_id": cerby_id}, reason=reason)
    revoke(key, None)
