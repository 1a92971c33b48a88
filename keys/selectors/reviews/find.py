"""Return one campaign, or an item of it, if the actor may see it."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.db.models import Q

from keys.models import ApiKey, Campaign, ReviewItem
from keys.rules.errors import NotFound
from keys.rules.permissions import Action, Actor
from keys.rules.reviews import CampaignState, Comparison, Decision, Item, SigningOff

NOT_FOUND = "There is no such review, or you may not see it."


def campaign_for(actor: Actor, campaign_id: UUID) -> Campaign:
    """Return the campaign, which admins and its reviewers may see. Raise ``NotFound``."""
    people = ("started_by", "signed_by", "previous")
    campaign = Campaign.objects.select_related(*people).filter(pk=campaign_id).first()
    if campaign is None or not (actor.may(Action.SEE_INVENTORY) or _reviews(actor, campaign)):
        raise NotFound(NOT_FOUND)
    return campaign


def _reviews(actor: Actor, campaign: Campaign) -> bool:
    mine = Q(reviewer=actor.user_id) | Q(decided_by=actor.user_id)
    return ReviewItem.objects.filter(mine, campaign=campaign).exists()


def item_for(actor: Actor, campaign_id: UUID, item_id: int) -> ReviewItem:
    """Return the item. Who may not see the inventory sees only their own. Raise ``NotFound``."""
    campaign = campaign_for(actor, campaign_id)
    joined = ("key__owner", "reviewer", "decided_by", "campaign")
    item = ReviewItem.objects.select_related(*joined).filter(campaign=campaign, pk=item_id).first()
    if item is None or not (actor.may(Action.SEE_INVENTORY) or actor.user_id in _people(item)):
        raise NotFound("There is no such item in this review, or you may not see it.")
    return item


def _people(item: ReviewItem) -> tuple[int | None, int | None]:
    return item.reviewer_id, item.decided_by_id


def facts_of_item(item: ReviewItem, campaign: Campaign, owner: int, requester: int | None) -> Item:
    """Return the facts for the guards. ``owner`` and ``requester`` are those of the key now."""
    return Item(
        campaign=CampaignState(campaign.state),
        reviewer=item.reviewer_id,
        owner=owner,
        requester=requester,
        decision=Decision(item.decision) if item.decision else None,
        has_finding=item.has_finding,
        comparison=Comparison(item.comparison),
        escalated=campaign.escalated_at is not None,
    )


def may_sign(campaign: Campaign, actor: Actor) -> SigningOff:
    """Return the facts for the guards of a sign-off."""
    reviewed = ReviewItem.objects.filter(campaign=campaign, decided_by=actor.user_id).exists()
    return SigningOff(CampaignState(campaign.state), actor.role, int(reviewed))


def may_declare(actor: Actor, item: ReviewItem) -> bool:
    """Return whether the actor may say that a key was narrowed, because the portal cannot read its scopes."""
    is_theirs = actor.may(Action.SEE_INVENTORY) or item.decided_by_id == actor.user_id
    return is_theirs and item.to_do is not None and item.decision == Decision.NARROW and is_unseen(item.key)


def is_unseen(key: ApiKey) -> bool:
    return key.is_deleted_by_hand or settings.CERBY_ISSUE_MODE == "assisted"
