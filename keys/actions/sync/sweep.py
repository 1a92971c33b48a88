"""Walk through everything that Cerby lists, compare it with the inventory, and act on what came of it.

What lives in Cerby and should not is revoked (keys.actions.sync.revoke_orphans). What Cerby does not list any more is
marked as missing, and nothing is ever revoked for being unknown here.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from keys import cerby
from keys.actions.safeguards.quarantine import compared, may_revoke, silent_since
from keys.actions.sync.compare import LISTING_MAY_BE_OLD, Sweep, compare
from keys.actions.sync.owners import Owners
from keys.actions.sync.revoke_orphans import revoke_orphans
from keys.audit import log
from keys.models import ApiKey
from keys.rules.batches import batches
from keys.rules.events import Event
from keys.rules.lifecycle import Phase

PAGE = 100


def sweep() -> Sweep:
    """One comparison. Raises ``CerbyError`` where the listing broke off; nothing counts as missing then."""
    found = Sweep(started_at=timezone.now(), silent_since=silent_since())
    owners = Owners()
    for page in batches(cerby.connect().keys(), PAGE):
        compare(page, owners, found)
    _mark_missing(found)
    compared(found.silent_since, unaccounted=found.unaccounted)
    found.revoked = revoke_orphans(found.to_revoke, listed=found.listed)
    found.quarantined = not may_revoke()
    _count(found)
    return found


def _count(found: Sweep) -> None:
    confirmed = Q(confirmed_at__gte=found.started_at)
    counts = ApiKey.objects.filter(phase=Phase.LIVE).aggregate(
        live=Count("pk"), confirmed=Count("pk", filter=confirmed)
    )
    found.live, found.confirmed = counts["live"], counts["confirmed"]


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
