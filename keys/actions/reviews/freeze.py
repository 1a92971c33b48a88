"""Freeze the items of a campaign in batches, and open it.

If a worker dies, the next run continues: it adds the keys that have no item yet. The event of the opening has
a digest of all items, so that nobody adds, removes or changes one later.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from itertools import cycle, islice
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from keys.actions.reviews.start import details_of_campaign
from keys.actions.reviews.tell import ask_reviewer
from keys.audit import log
from keys.models import Campaign, ReviewItem, User
from keys.rules.batches import batches, each_alone, in_turns
from keys.rules.errors import Invalid
from keys.rules.events import Event
from keys.rules.permissions import ADMINS
from keys.rules.reviews import MOST_ITEMS, CampaignState, compare, reviewer_of
from keys.selectors.reviews.population import (
    active_rows,
    as_facts,
    findings_in,
    keys_of,
    last_kept,
    requesters_of,
    snapshot_of,
)

AT_ONCE = 500
DIGEST = 32
"""A longer one could be taken for an API key, which the log leaves out."""


def freeze_reviews() -> int:
    """Freeze the campaigns that have been started, oldest first. Return how many were opened."""
    waiting = Campaign.objects.filter(state=CampaignState.FREEZING).order_by("started_at")
    return sum(_freeze(campaign) for campaign in waiting[:20])


def _freeze(campaign: Campaign) -> bool:
    try:
        ids = keys_of(campaign)[:MOST_ITEMS]
    except Invalid:  # a filter of an earlier version: the campaign opens empty, and is closed
        ids = []
    known = set(ReviewItem.objects.filter(campaign=campaign).values_list("key_id", flat=True))
    new = [each for each in ids if each not in known]
    reviewers = _Reviewers(campaign, len(known))
    for some in in_turns(each_alone(_items(campaign, new, reviewers)), AT_ONCE):
        with transaction.atomic():
            if _locked(campaign) is None:
                return False
            ReviewItem.objects.bulk_create(some, ignore_conflicts=True)
    return _open(campaign)


def _locked(campaign: Campaign) -> Campaign | None:
    """Return the campaign with its row locked, or None if it is not being frozen any more."""
    rows = Campaign.objects.select_for_update(no_key=True)
    return rows.filter(pk=campaign.pk, state=CampaignState.FREEZING).first()


def _items(campaign: Campaign, ids: Sequence[UUID], reviewers: _Reviewers) -> Iterable[ReviewItem]:
    for some in batches(ids, AT_ONCE):
        now = timezone.now()
        rows = {row["id"]: row for row in active_rows(some, now)}
        kept, requesters, findings = last_kept(rows), requesters_of(rows), findings_in(rows.values(), now)
        for key_id in some:
            if key_id in rows:
                row = rows[key_id]
                snapshot = snapshot_of(row, findings[key_id])
                yield ReviewItem(
                    campaign=campaign,
                    key_id=key_id,
                    snapshot=snapshot,
                    has_finding=bool(snapshot["findings"]),
                    comparison=compare(as_facts(snapshot), kept.get(key_id)),
                    reviewer_id=reviewers.of(row, requesters.get(key_id)),
                )


class _Reviewers:
    """Choose the reviewer of each key: one of those who can sign in, in turns."""

    def __init__(self, campaign: Campaign, begin: int) -> None:
        present = User.objects.filter(is_active=True)
        by_id = set(present.filter(pk__in=campaign.named).values_list("pk", flat=True))
        self._named = [each for each in campaign.named if each in by_id]
        admins = list(present.filter(role__in=ADMINS).order_by("role", "pk").values_list("pk", flat=True))
        self._admins = admins[:100]
        self._turn = cycle(range(max(1, len(self._named)) * max(1, len(self._admins))))
        next(islice(self._turn, begin, begin), None)
        self._active = dict[int, bool]()

    def of(self, row: dict[str, Any], requester: int | None) -> int | None:
        turn = next(self._turn)
        first = _from(self._named, turn) if self._named else self._who_answers(row)
        return reviewer_of([*first, *_from(self._admins, turn)], owner=row["owner_id"], requester=requester)

    def _who_answers(self, row: dict[str, Any]) -> list[int]:
        people = [row[name] for name in ("accountable_id", "backup_id") if row[name] is not None]
        unknown = [one for one in people if one not in self._active]
        if unknown:
            active = User.objects.filter(pk__in=unknown, is_active=True).values_list("pk", flat=True)
            self._active |= dict.fromkeys(unknown, False) | dict.fromkeys(active, True)
        return [one for one in people if self._active[one]]


def _from(people: Sequence[int], turn: int) -> list[int]:
    start = turn % len(people) if people else 0
    return [*people[start:], *people[:start]]


def _open(campaign: Campaign) -> bool:
    """Open the campaign and ask the reviewers, unless another worker adds items at this moment."""
    digest, count = digest_of(campaign)
    with transaction.atomic():
        row = _locked(campaign)
        if row is None or ReviewItem.objects.filter(campaign=campaign).count() != count:
            return False
        row.state, row.opened_at = CampaignState.OPEN, timezone.now()
        row.save(update_fields=["state", "opened_at"])
        log.append(
            Event.REVIEW_OPENED, actor=None, count=count, items_digest=digest, **details_of_campaign(row)
        )
        asked = ReviewItem.objects.filter(campaign=row, reviewer__isnull=False).values_list("reviewer")
        numbers = dict(asked.annotate(number=Count("pk")).order_by("reviewer"))
        for person in User.objects.filter(pk__in=numbers):
            ask_reviewer(row, person, numbers[person.pk])
    return True


def digest_of(campaign: Campaign) -> tuple[str, int]:
    """Return a hash of what was frozen, and the number of items. verify_pack.py computes the same."""
    found, count = hashlib.sha256(), 0
    columns = ("key_id", "snapshot", "comparison")
    rows = ReviewItem.objects.filter(campaign=campaign).order_by("id").values_list(*columns)
    for key_id, snapshot, comparison in rows.iterator(chunk_size=AT_ONCE):
        found.update(frozen_line(str(key_id), snapshot, comparison))
        count += 1
    return found.hexdigest()[:DIGEST], count


def frozen_line(key_id: str, snapshot: dict[str, Any], comparison: str) -> bytes:
    return json.dumps([key_id, snapshot, comparison], sort_keys=True, separators=(",", ":")).encode() + b"\n"
