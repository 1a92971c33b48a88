"""Give an item of a campaign to another reviewer: the answer "Not mine"."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from keys.actions.reviews.start import details_of_campaign
from keys.actions.reviews.tell import ask_reviewer, settle_task
from keys.audit import log
from keys.audit.guard import authorize
from keys.models import ApiKey, ReviewItem, User
from keys.rules import reviews
from keys.rules.errors import Conflict, Invalid
from keys.rules.events import Event
from keys.rules.permissions import ADMINS, HIGHEST, Action, Actor
from keys.rules.reviews import CampaignState, HandingOver
from keys.selectors.reviews.find import facts_of_item, item_for
from keys.selectors.reviews.population import requesters_of
from keys.validation.text import check_reason

CANNOT_SIGN_IN = "The reviewer cannot sign in any more."
AT_ONCE = 500


def hand_over(actor: Actor, campaign_id: UUID, item_id: int, email: str, reason: str) -> User:
    """Make the person with ``email`` the reviewer, and return them.

    Raises ``Invalid`` if the person or the reason is wrong, ``Conflict`` if the actor may not hand it over,
    and ``NotFound``.
    """
    authorize(actor, Action.REVIEW_KEY)
    item = item_for(actor, campaign_id, item_id)
    check_reason(reason)
    to = User.objects.filter(email=email.lower(), is_active=True).first()
    if to is None:
        raise Invalid(to="Nobody with this email can sign in to the portal. Enter another person.")
    if to.pk == item.reviewer_id:
        raise Invalid(to="This person reviews the API key already.")
    ask = HandingOver(actor.user_id, to.pk, reason, leads=actor.role in HIGHEST)
    with transaction.atomic():
        key = ApiKey.objects.select_for_update(no_key=True).get(pk=item.key_id)
        facts = facts_of_item(item, item.campaign, key.owner_id, requesters_of([key.pk]).get(key.pk))
        refused = reviews.why_refused(reviews.HAND_OVER, facts, ask)
        if refused and to.pk in (facts.owner, facts.requester):
            raise Invalid(to=refused)
        if refused:
            raise Conflict(refused)
        _move(item, key, to, actor, reason)
    return to


def _move(item: ReviewItem, key: ApiKey, to: User, actor: Actor | None, reason: str) -> None:
    """Store the new reviewer, and ask them. Call it in a transaction."""
    campaign, former = item.campaign, item.reviewer_id
    undecided = ReviewItem.objects.filter(
        pk=item.pk, decision="", reviewer=former, campaign__state=CampaignState.OPEN
    )
    if undecided.update(reviewer=to, shown_at=None) != 1:
        raise Conflict("Somebody else has just changed this item. Reload the page.")
    whom = {"id": str(to.pk), "email": to.email}
    log.append(
        Event.KEY_REVIEW_MOVED, actor=actor, key=key, reason=reason, to=whom, **details_of_campaign(campaign)
    )
    waiting = ReviewItem.objects.filter(campaign=campaign, decision="")
    if former is not None and not waiting.filter(reviewer=former).exists():
        settle_task(campaign, str(former))
    ask_reviewer(campaign, to, waiting.filter(reviewer=to).count())


def replace_absent() -> int:
    """Give the items of reviewers who cannot sign in any more to admins, a bounded number in each run."""
    moved = 0
    admins = list(User.objects.filter(is_active=True, role__in=ADMINS).order_by("role", "pk")[:100])
    undecided = ReviewItem.objects.filter(decision="", campaign__state=CampaignState.OPEN)
    absent = undecided.filter(reviewer__is_active=False).select_related("campaign").order_by("id")
    for item in list(absent[:AT_ONCE]):
        with transaction.atomic():
            key = ApiKey.objects.select_for_update(no_key=True).get(pk=item.key_id)
            requester = requesters_of([key.pk]).get(key.pk)
            ids = [one.pk for one in admins]
            chosen = reviews.reviewer_of(ids, owner=key.owner_id, requester=requester)
            to = next((one for one in admins if one.pk == chosen), None)
            if to is not None:
                _move(item, key, to, None, CANNOT_SIGN_IN)
                moved += 1
    return moved
