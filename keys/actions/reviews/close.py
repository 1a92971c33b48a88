"""Close campaigns: when everything is decided, or when the time for decisions is over."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import Count
from django.urls import reverse
from django.utils import timezone

from keys.actions.notifications.notify import notify
from keys.actions.reviews.start import details_of_campaign
from keys.actions.reviews.tell import ask_again, ask_to_sign, settle_task
from keys.actions.reviews.void import write_undecided
from keys.audit import log
from keys.models import Campaign, ReviewItem
from keys.rules import reviews
from keys.rules.batches import each_alone, in_turns
from keys.rules.events import Event
from keys.rules.notifications import Kind
from keys.rules.reviews import CampaignState, Decision
from keys.rules.visible import named
from keys.selectors.key.people_of_keys import COLUMNS, people_of
from keys.selectors.reviews.find import facts_of_item

AT_ONCE = 200


def close_reviews() -> int:
    """Escalate overdue campaigns once, give up on what is still undecided after the grace, and close."""
    closed = 0
    for campaign in list(Campaign.objects.filter(state=CampaignState.OPEN).order_by("id")[:1000]):
        _escalate(campaign)
        _give_up(campaign)
        closed += close_if_decided(campaign)
    return closed


def close_if_decided(campaign: Campaign) -> bool:
    """Close the campaign if no item is undecided, and ask for the sign-off. Return whether it was closed."""
    undecided = ReviewItem.objects.filter(campaign=campaign, decision="")
    if undecided.exists():
        return False
    rows = Campaign.objects.filter(pk=campaign.pk, state=CampaignState.OPEN)
    with transaction.atomic():
        if rows.update(state=CampaignState.CLOSED, closed_at=timezone.now()) != 1:
            return False
        log.append(
            Event.REVIEW_CLOSED, actor=None, answers=answers_of(campaign), **details_of_campaign(campaign)
        )
        settle_task(campaign, "late")
        ask_to_sign(campaign)
    return True


def answers_of(campaign: Campaign) -> dict[str, int]:
    """Return the number of items for each decision."""
    grouped = ReviewItem.objects.filter(campaign=campaign).exclude(decision="").values_list("decision")
    return dict(grouped.annotate(number=Count("pk")).order_by("decision"))


def _late(campaign: Campaign) -> timedelta:
    return timezone.now() - campaign.due_at


def _escalate(campaign: Campaign) -> None:
    undecided = ReviewItem.objects.filter(campaign=campaign, decision="")
    first = undecided.first()
    if first is None or not _may(reviews.ESCALATE, first, campaign):
        return
    with transaction.atomic():
        rows = Campaign.objects.filter(pk=campaign.pk, state=CampaignState.OPEN, escalated_at=None)
        campaign.escalated_at = timezone.now()
        if rows.update(escalated_at=campaign.escalated_at) == 1:
            log.append(
                Event.REVIEW_ESCALATED, actor=None, count=undecided.count(), **details_of_campaign(campaign)
            )
            ask_again(campaign)


def _give_up(campaign: Campaign) -> None:
    """Mark undecided items as not certified, and tell the people of their keys."""
    undecided = ReviewItem.objects.filter(campaign=campaign, decision="").order_by("id")
    first = undecided.first()
    if first is None or not _may(reviews.GIVE_UP, first, campaign):
        return
    keys = [f"key__{name}" for name in COLUMNS]
    items = undecided.select_related("key", "campaign", *keys)
    reviewers = set(undecided.values_list("reviewer", flat=True).distinct())
    for some in in_turns(each_alone(items.iterator(chunk_size=AT_ONCE)), AT_ONCE):
        with transaction.atomic():
            for item in some:
                _give_up_one(item, campaign)
    for person in reviewers - {None}:
        settle_task(campaign, str(person))


def _give_up_one(item: ReviewItem, campaign: Campaign) -> None:
    rows = ReviewItem.objects.filter(pk=item.pk, decision="", campaign__state=CampaignState.OPEN)
    now = timezone.now()
    if rows.update(decision=Decision.NOT_CERTIFIED, decided_at=now) != 1:
        return  # the reviewer was faster
    if write_undecided(item):
        notify(
            Kind.KEY_NOT_CERTIFIED,
            words=f"“{named(item.key.name)}” is not certified: nobody decided about it in “{campaign.name}”.",
            path=reverse("keys:key", args=[item.key_id]),
            to=people_of(item.key),
            key=item.key,
            mail=False,
            channels=False,
        )


def _may(
    guards: tuple[reviews.Guard[reviews.Item, timedelta], ...], item: ReviewItem, campaign: Campaign
) -> bool:
    return reviews.why_refused(guards, facts_of_item(item, campaign, 0, None), _late(campaign)) is None
