"""Sign off a campaign, and certify the keys that it kept. A person can also stop repeating it."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from keys.actions.people.confirm_role import authorize_now
from keys.actions.reviews.close import answers_of
from keys.actions.reviews.start import details_of_campaign
from keys.actions.reviews.tell import SIGN, settle_task
from keys.actions.reviews.void import follow_certificate
from keys.audit import log
from keys.models import ApiKey, Campaign, Certificate, ReviewItem
from keys.rules import reviews
from keys.rules.errors import Conflict
from keys.rules.events import Event
from keys.rules.lifecycle import Phase
from keys.rules.permissions import Action, Actor
from keys.rules.reviews import CampaignState, Decision, why_void
from keys.selectors.reviews.find import campaign_for, may_sign
from keys.selectors.reviews.population import as_facts
from keys.validation.text import check_reason

AT_ONCE = 200


def sign_off(actor: Actor, campaign_id: UUID, reason: str) -> Campaign:
    """Sign off a closed campaign. Raises ``Conflict`` if it is not closed, or the actor decided an item."""
    actor = authorize_now(actor, Action.SIGN_REVIEW)
    campaign = campaign_for(actor, campaign_id)
    check_reason(reason)
    with transaction.atomic():
        campaign = Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
        refused = reviews.why_refused(reviews.SIGN, may_sign(campaign, actor))
        if refused:
            raise Conflict(refused)
        campaign.state, campaign.signed_by_id = CampaignState.SIGNED, actor.user_id
        campaign.signed_at, campaign.certified_to = timezone.now(), 0
        campaign.save(update_fields=["state", "signed_by", "signed_at", "certified_to"])
        log.append(
            Event.REVIEW_SIGNED,
            actor=actor,
            reason=reason,
            answers=answers_of(campaign),
            **details_of_campaign(campaign),
        )
        settle_task(campaign, SIGN)
    _certify_some(campaign)  # so that a person sees the certificates of a small review at once
    return campaign


def stop_repeating(actor: Actor, campaign_id: UUID) -> Campaign:
    """Open no further campaign after this one."""
    actor = authorize_now(actor, Action.START_REVIEW)
    campaign = campaign_for(actor, campaign_id)
    with transaction.atomic():
        rows = Campaign.objects.filter(pk=campaign.pk, cadence__isnull=False)
        if rows.update(cadence=None) == 1:
            log.append(Event.REVIEW_NOT_REPEATED, actor=actor, **details_of_campaign(campaign))
    return campaign


def certify() -> int:
    """Write the certificates of campaigns that are signed off. Return how many campaigns were finished."""
    waiting = list(Campaign.objects.filter(certified_to__isnull=False).order_by("id")[:100])
    for campaign in waiting:
        while _certify_some(campaign):
            pass
    return len(waiting)


def _certify_some(campaign: Campaign) -> bool:
    """Write the certificates of the next items. Return whether there may be more."""
    with transaction.atomic():
        row = Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
        if row.certified_to is None or row.signed_at is None:
            return False
        kept = ReviewItem.objects.filter(campaign=row, decision=Decision.KEEP, pk__gt=row.certified_to)
        items = list(kept.order_by("pk")[:AT_ONCE])
        locked = ApiKey.objects.select_for_update(no_key=True).filter(pk__in=[one.key_id for one in items])
        live = {key.pk: key for key in locked.order_by("pk") if key.phase == Phase.LIVE}
        Certificate.objects.filter(pk__in=live).delete()
        certificates = [
            Certificate(key_id=item.key_id, item=item, certified_at=row.signed_at)
            for item in items
            if item.key_id in live
        ]
        Certificate.objects.bulk_create(certificates)
        for one in certificates:
            key = live[one.key_id]
            if why_void(as_facts(one.item.snapshot), key.owner_id, key.scopes):  # changed since the decision
                follow_certificate(key.pk, None)
        row.certified_to = items[-1].pk if len(items) == AT_ONCE else None
        row.save(update_fields=["certified_to"])
    return row.certified_to is not None
