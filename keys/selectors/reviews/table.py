"""Return the list of reviews, newest first."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Case, Count, F, IntegerField, Sum, Value, When
from django.http import QueryDict

from keys.audit.guard import authorize
from keys.models import Campaign, ReviewItem
from keys.rules.permissions import Action, Actor
from keys.rules.reviews import CampaignState
from keys.selectors.inventory.keyset import Order, Page, page

NEWEST_FIRST = Order((F("started_at"), F("id")), descending=True)
SIZE = 20


@dataclass(frozen=True)
class ReviewRow:
    """``decided`` of ``count`` items have a decision."""

    campaign: Campaign
    count: int
    decided: int

    @property
    def state(self) -> CampaignState:
        return CampaignState(self.campaign.state)


@dataclass(frozen=True)
class Reviews:
    page: Page[ReviewRow]
    may_start: bool


def reviews(actor: Actor, params: QueryDict) -> Reviews:
    """Return one page of the list. Raise ``NotAllowed``."""
    authorize(actor, Action.SEE_INVENTORY)
    everything = Campaign.objects.all()
    found = page(
        everything.values_list("pk"),
        NEWEST_FIRST,
        everything,
        after=_id(params.get("after")),
        before=_id(params.get("before")),
        size=SIZE,
    )
    ids = [row[0] for row in found.rows]
    by_id = Campaign.objects.in_bulk(ids)
    numbers = numbers_of(ids)
    rows = [ReviewRow(by_id[each], *numbers.get(each, (0, 0))) for each in ids if each in by_id]
    return Reviews(Page(rows, found.after, found.before), actor.may(Action.START_REVIEW))


def numbers_of(ids: list[UUID]) -> dict[UUID, tuple[int, int]]:
    """Return the numbers of items and of decided items of each campaign. A campaign has a bounded number."""
    decided = Sum(Case(When(decision="", then=Value(0)), default=Value(1), output_field=IntegerField()))
    grouped = ReviewItem.objects.filter(campaign__in=ids).values_list("campaign").order_by("campaign")
    found = grouped.annotate(number=Count("pk"), decided=decided)
    return {campaign: (number, done or 0) for campaign, number, done in found}


def _id(text: str | None) -> UUID | None:
    try:
        return uuid.UUID(text) if text else None
    except ValueError:
        return None
