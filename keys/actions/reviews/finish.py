"""Notice that a key was narrowed, rotated or removed, as a reviewer decided, or let a person say so."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from keys.actions.reviews.start import details_of_campaign
from keys.audit import log
from keys.audit.guard import authorize
from keys.models import ReviewItem, Rotation
from keys.rules.errors import Conflict
from keys.rules.events import Event
from keys.rules.lifecycle import ENDED
from keys.rules.permissions import Action, Actor
from keys.rules.reviews import Decision
from keys.rules.rotation import RotationState
from keys.selectors.reviews.find import item_for, may_declare
from keys.validation.text import check_reason

AT_ONCE = 500


def waiting() -> QuerySet[ReviewItem]:
    """Return the items whose decision is not carried out yet."""
    return ReviewItem.objects.filter(to_do__isnull=False)


def finish_decisions() -> int:
    """Record the decisions that were carried out. Return how many."""
    retired = Rotation.objects.filter(
        old=OuterRef("key"), state=RotationState.RETIRED, ended_at__gt=OuterRef("decided_at")
    )
    ended = Q(key__state__in=[state.value for state in ENDED])
    found = waiting().filter(ended | Q(Exists(retired), decision=Decision.ROTATE))
    done = sum(_finish(item, None) for item in found.select_related("key", "campaign")[:AT_ONCE])
    after = 0
    narrow = waiting().filter(decision=Decision.NARROW).select_related("key", "campaign").order_by("id")
    while page := list(narrow.filter(pk__gt=after)[:AT_ONCE]):
        after = page[-1].pk
        for item in page:
            if item.key.scopes and set(item.key.scopes) < set(item.snapshot["scopes"]):
                done += _finish(item, None)
    return done


def declare_done(actor: Actor, campaign_id: UUID, item_id: int, reason: str) -> ReviewItem:
    """Record that a person says the decision was carried out. The portal cannot see that for some keys."""
    authorize(actor, Action.REVIEW_KEY)
    item = item_for(actor, campaign_id, item_id)
    check_reason(reason)
    if not may_declare(actor, item):
        raise Conflict("The portal notices by itself when this is done. Reload the page.")
    with transaction.atomic():
        if not _finish(item, actor, reason):
            raise Conflict("This decision is carried out already. Reload the page.")
    return item


def _finish(item: ReviewItem, actor: Actor | None, reason: str = "") -> bool:
    with transaction.atomic():
        if waiting().filter(pk=item.pk).update(done_at=timezone.now()) != 1:
            return False
        details: dict[str, Any] = {
            "answer": item.decision,
            "declared": actor is not None,
        } | details_of_campaign(item.campaign)
        log.append(Event.KEY_REVIEW_DONE, actor=actor, key=item.key, reason=reason, **details)
    return True
