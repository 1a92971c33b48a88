"""Decide about items of a campaign: keep a key, or have it narrowed, rotated or removed."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from keys.actions.reviews.close import close_if_decided
from keys.actions.reviews.start import details_of_campaign
from keys.actions.reviews.tell import settle_task
from keys.audit import log
from keys.audit.guard import authorize
from keys.models import ApiKey, Campaign, ReviewItem
from keys.rules import reviews
from keys.rules.errors import Conflict, Invalid, NotFound
from keys.rules.events import Event
from keys.rules.permissions import Action, Actor
from keys.rules.reviews import MOST_IN_BULK, CampaignState, Deciding, Decision
from keys.selectors.reviews.find import campaign_for, facts_of_item
from keys.selectors.reviews.population import requesters_of
from keys.validation.text import REASON_LENGTH, check_text

CHANGED = "Somebody else has just changed this item. Reload the page."
LONGEST_TIME = 2**31 - 1


def decide(
    actor: Actor, campaign_id: UUID, item_id: int, decision: Decision, sentence: str = ""
) -> ReviewItem:
    """Record the decision of the reviewer about one item.

    Raises ``Invalid`` if a sentence is missing, ``Conflict`` if the decision is not possible, and
    ``NotFound``.
    """
    [item] = _answer(actor, campaign_id, [item_id], Deciding(actor.user_id, decision, sentence.strip()))
    return item


def keep_together(actor: Actor, campaign_id: UUID, item_ids: Collection[int]) -> int:
    """Keep several unchanged items at once, all or none of them. Return how many."""
    campaign_for(actor, campaign_id)
    ids = list(dict.fromkeys(item_ids))
    if not ids:
        raise Invalid("No item is selected. Select at least one.")
    if len(ids) > MOST_IN_BULK:
        raise Conflict(f"At most {MOST_IN_BULK} items can be kept at once.")
    ask = Deciding(actor.user_id, Decision.KEEP, together=len(ids))
    return len(_answer(actor, campaign_id, ids, ask))


def _answer(actor: Actor, campaign_id: UUID, ids: list[int], ask: Deciding) -> list[ReviewItem]:
    authorize(actor, Action.REVIEW_KEY)
    campaign = campaign_for(actor, campaign_id)
    if ask.sentence:
        check_text("sentence", "The sentence", ask.sentence, REASON_LENGTH)
    with transaction.atomic():
        rows = ReviewItem.objects.filter(campaign=campaign, pk__in=ids)
        key_ids = list(rows.values_list("key_id", flat=True))
        locked = ApiKey.objects.select_for_update(no_key=True).filter(pk__in=key_ids).order_by("pk")
        keys, requesters = {key.pk: key for key in locked}, requesters_of(key_ids)
        items = list(rows.order_by("id"))
        if len(items) != len(ids):
            raise NotFound("There is no such item in this review.")
        now = timezone.now()
        took = _milliseconds(campaign, actor, items, now)
        for item in items:
            key = keys[item.key_id]
            _check(item, campaign, ask, key, requesters.get(key.pk))
            _store(item, actor, ask, now, took)
            details = {"answer": ask.decision, "milliseconds": took} | details_of_campaign(campaign)
            details |= {"together": ask.together} if ask.together else {}
            log.append(Event.KEY_REVIEWED, actor=actor, key=key, reason=ask.sentence, **details)
        mine = ReviewItem.objects.filter(campaign=campaign, reviewer=actor.user_id, decision="")
        if not mine.exists():
            settle_task(campaign, str(actor.user_id))
    close_if_decided(campaign)
    return items


def _check(item: ReviewItem, campaign: Campaign, ask: Deciding, key: ApiKey, requester: int | None) -> None:
    reason = reviews.why_refused(reviews.DECIDE, facts_of_item(item, campaign, key.owner_id, requester), ask)
    if reason is None:
        return
    needs_sentence = item.has_finding and ask.decision is Decision.KEEP and not ask.sentence
    raise Invalid(sentence=reason) if needs_sentence and not ask.together else Conflict(reason)


def _store(item: ReviewItem, actor: Actor, ask: Deciding, now: datetime, took: int | None) -> None:
    open_item = ReviewItem.objects.filter(
        pk=item.pk, decision="", reviewer=actor.user_id, campaign__state=CampaignState.OPEN
    )
    columns = {
        "decision": ask.decision,
        "sentence": ask.sentence,
        "in_bulk": ask.together > 0,
        "decided_by_id": actor.user_id,
        "decided_at": now,
        "took": took,
    }
    if open_item.update(**columns) != 1:
        raise Conflict(CHANGED)
    for name, value in columns.items():
        setattr(item, name, value)


def _milliseconds(campaign: Campaign, actor: Actor, items: list[ReviewItem], now: datetime) -> int | None:
    """Return how long the person took for each item, or None if the portal did not show them.

    The time counts from the moment at which the page showed the item, or from the decision before.
    """
    shown = [item.shown_at for item in items if item.shown_at is not None]
    if len(shown) != len(items):
        return None
    decided = ReviewItem.objects.filter(campaign=campaign, decided_by=actor.user_id)
    last = decided.order_by("-decided_at").values_list("decided_at", flat=True).first()
    begun = max([*shown, *([last] if last else [])])
    milliseconds = int((now - begun).total_seconds() * 1000) // len(items)
    return min(max(milliseconds, 0), LONGEST_TIME)


def mark_shown(actor: Actor, item_ids: Collection[int]) -> None:
    """Remember when the reviewer first saw these items."""
    unseen = ReviewItem.objects.filter(pk__in=item_ids, reviewer=actor.user_id, decision="", shown_at=None)
    unseen.update(shown_at=timezone.now())
