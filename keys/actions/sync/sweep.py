"""Compare all keys that Cerby lists with the inventory.

Keys that are live in Cerby but have ended here are revoked (see ``revoke_orphans``). Keys that Cerby no
longer lists are marked as missing. A key is never revoked for being unknown here.
"""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from keys import cerby
from keys.actions.dropped import API_KEY, Dropped
from keys.actions.keys.repair import repair_keys
from keys.actions.keys.settle_scopes import forget_lost_changes
from keys.actions.safeguards.quarantine import end_silence, may_revoke, silent_since
from keys.actions.sync.compare import LISTING_MAY_BE_OLD, SweepResult, compare
from keys.actions.sync.owners import Owners
from keys.actions.sync.revoke_orphans import revoke_orphans
from keys.audit import log
from keys.models import ApiKey
from keys.rules.batches import batches
from keys.rules.events import Event
from keys.rules.lifecycle import Phase

PAGE = 100


def sweep() -> SweepResult:
    """Run one sweep. Raises ``CerbyError`` if the list is incomplete; no key is marked as missing then."""
    result = SweepResult(started_at=timezone.now(), silent_since=silent_since())
    owners, dropped = Owners(), Dropped(API_KEY)
    for page in batches(cerby.connect().keys(), PAGE):
        dropped.add(page)
        compare(page, owners, result)
    dropped.store()
    _mark_missing(result)
    forget_lost_changes()
    end_silence(result.silent_since, unaccounted=result.unaccounted)
    result.revoked = revoke_orphans(result.to_revoke, listed=result.listed)
    result.quarantined = not may_revoke()
    _count_live_keys(result)
    return result


def _count_live_keys(result: SweepResult) -> None:
    confirmed = Q(confirmed_at__gte=result.started_at)
    counts = ApiKey.objects.filter(phase=Phase.LIVE).aggregate(
        live=Count("pk"), confirmed=Count("pk", filter=confirmed)
    )
    result.live, result.confirmed = counts["live"], counts["confirmed"]


def _mark_missing(result: SweepResult) -> None:
    """Mark the live keys that a complete list lacks, unless they are too new to be listed."""
    new = result.started_at - LISTING_MAY_BE_OLD
    gone = ApiKey.objects.filter(
        Q(confirmed_at__lt=new) | Q(confirmed_at__isnull=True, created_at__lt=new),
        cerby_id__isnull=False,  # keys without it cannot be found in the list
        phase=Phase.LIVE,
        missing_since__isnull=True,
        expires_at__gt=result.started_at,
    )
    repaired: set[UUID] = set()
    while _mark_page(gone.exclude(pk__in=repaired), repaired, result):
        pass


def _mark_page(gone: QuerySet[ApiKey], repaired: set[UUID], result: SweepResult) -> bool:
    """Mark one page of ``gone`` with its events in one transaction. Return False if there was none.

    Add to ``repaired`` the rows that contradict the log, for example in their Cerby id: the next sweep looks
    for these keys again.
    """
    with transaction.atomic():
        page = list(gone.select_for_update()[:PAGE])
        wrong = repair_keys(page)
        repaired.update(wrong)
        result.not_taken += sum(not restored for restored in wrong.values())
        missing = [key for key in page if key.pk not in wrong]
        ApiKey.objects.filter(pk__in=[key.pk for key in missing]).update(missing_since=result.started_at)
        for key in missing:
            log.append(Event.KEY_MISSING, actor=None, key=key)
        result.missing += len(missing)
    return bool(page)
