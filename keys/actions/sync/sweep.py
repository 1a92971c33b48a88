"""Compare all keys that Cerby lists with the inventory.

Keys that are live in Cerby but have ended here are revoked (see ``revoke_orphans``). Keys that Cerby no
longer lists are marked as missing. A key is never revoked for being unknown here. A key that cannot be read
keeps its row as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from keys import cerby
from keys.actions.dropped import API_KEY, UNREAD_KEY, Dropped
from keys.actions.keys.repair import repair_keys
from keys.actions.keys.settle_scopes import forget_lost_changes
from keys.actions.safeguards.quarantine import end_silence, may_revoke, silent_since
from keys.actions.sync.compare import CLOCKS_DIFFER_BY, LISTING_MAY_BE_OLD, SweepResult, compare
from keys.actions.sync.owners import Owners
from keys.actions.sync.revoke_orphans import revoke_orphans
from keys.audit import log
from keys.models import ApiKey
from keys.rules.batches import batches
from keys.rules.errors import CerbyInDoubt
from keys.rules.events import Event
from keys.rules.lifecycle import Phase

PAGE = 100
MOST_UNREAD = 500
"""Keys that can be left out of the query for missing ones."""


def sweep() -> SweepResult:
    """Run one sweep. Raises ``CerbyError`` if the list is incomplete; no key is marked as missing then."""
    result = SweepResult(started_at=timezone.now(), silent_since=silent_since())
    owners, dropped, unread = Owners(), Dropped(API_KEY), Unread()
    for page in batches(cerby.connect().all_keys(), PAGE):
        readable = [key for key in page if isinstance(key, cerby.UpstreamKey)]
        dropped.add(readable)
        unread.add([key for key in page if isinstance(key, cerby.UnreadableKey)])
        compare(readable, owners, result)
    dropped.store()
    unread.dropped.store()
    if unread.count and not result.listed:
        raise CerbyInDoubt("No key of Cerby's list can be read, so nothing was compared.")
    _mark_missing(result, unread)
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


@dataclass
class Unread:
    """The keys of the list that cannot be read: the list has them, so they are not missing.

    If one of them has no readable id, or there are many, nobody knows which keys the list lacks.
    """

    dropped: Dropped = field(default_factory=lambda: Dropped(UNREAD_KEY))
    ids: set[UUID] = field(default_factory=set)
    count: int = 0
    has_nameless: bool = False

    def add(self, keys: list[cerby.UnreadableKey]) -> None:
        self.dropped.add(keys)
        self.count += len(keys)
        self.has_nameless |= not all(key.has_id for key in keys)
        self.ids |= {each for key in keys for each in (key.id, key.external_id) if each is not None}

    @property
    def hides_what_is_missing(self) -> bool:
        return self.has_nameless or self.count > MOST_UNREAD


def _mark_missing(result: SweepResult, unread: Unread) -> None:
    """Mark the live keys that a complete list lacks, unless they are too new to be listed."""
    if unread.hides_what_is_missing:
        return
    new = result.started_at - LISTING_MAY_BE_OLD
    gone = ApiKey.objects.filter(
        Q(confirmed_at__lt=new)
        | Q(confirmed_at__gt=result.started_at + CLOCKS_DIFFER_BY)  # not the portal's
        | Q(confirmed_at__isnull=True, created_at__lt=new),
        cerby_id__isnull=False,  # keys without it cannot be found in the list
        phase=Phase.LIVE,
        missing_since__isnull=True,
        expires_at__gt=result.started_at,
    ).exclude(Q(cerby_id__in=unread.ids) | Q(pk__in=unread.ids))
    repaired: set[UUID] = set()
    while _mark_page(gone.exclude(pk__in=repaired), repaired, result):
        pass


def _mark_page(gone: QuerySet[ApiKey], repaired: set[UUID], result: SweepResult) -> bool:
    """Mark one page of ``gone`` with its events in one transaction. Return False if there was none.

    Add to ``repaired`` the rows that contradict the log, for example in their Cerby id: the next sweep looks
    for these keys again.
    """
    with transaction.atomic():
        page = list(gone.select_for_update(no_key=True)[:PAGE])
        wrong = repair_keys(page)
        repaired.update(wrong)
        result.not_taken += sum(not restored for restored in wrong.values())
        missing = [key for key in page if key.pk not in wrong]
        ApiKey.objects.filter(pk__in=[key.pk for key in missing]).update(missing_since=result.started_at)
        for key in missing:
            log.append(Event.KEY_MISSING, actor=None, key=key)
        result.missing += len(missing)
    return bool(page)
