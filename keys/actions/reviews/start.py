"""Start a review of keys. The background job freezes its items and opens it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from keys.actions.people.accountable import active_person
from keys.actions.people.confirm_role import authorize_now
from keys.audit import log
from keys.models import Campaign, Selection, User
from keys.rules.errors import Invalid
from keys.rules.events import Event
from keys.rules.permissions import Action, Actor
from keys.rules.reviews import CADENCES, MOST_ITEMS, CampaignState
from keys.selectors.reviews.population import keys_of
from keys.validation.text import check_text

LONGEST = timedelta(days=180)
NAME_LENGTH, RATIONALE_LENGTH = 100, 300
MOST_NAMED = 20


@dataclass(frozen=True)
class Starting:
    """What a person enters. ``query``: the query string of the inventory; ``selection`` replaces it.

    ``named``: the emails of the people who review, if it is not those who answer for each key.
    """

    name: str
    rationale: str
    due_on: date
    query: str = ""
    selection: Selection | None = None
    cadence: int | None = None
    named: tuple[str, ...] = ()


def start_review(actor: Actor, starting: Starting, enqueue: Callable[[], object]) -> Campaign:
    """Store the campaign, and ``enqueue`` the job that freezes its items, both or neither.

    Raises ``Invalid`` if an entry is wrong or no key matches, ``NotAllowed``, and ``CerbyError`` if Cerby
    must be asked for a reviewer and does not answer.
    """
    actor = authorize_now(actor, Action.START_REVIEW)
    named = _check(starting)
    campaign = Campaign(
        name=starting.name,
        query="" if starting.selection else starting.query,
        is_list=starting.selection is not None,
        selection=starting.selection,
        named=[person.pk for person in named],
        rationale=starting.rationale,
        cadence=starting.cadence,
        started_by_id=actor.user_id,
        started_at=timezone.now(),
        due_at=end_of(starting.due_on),
    )
    keys = keys_of(campaign)
    if not keys:
        raise Invalid("No key matches, so there is nothing to review.")
    if len(keys) > MOST_ITEMS:
        raise Invalid(f"A review can have at most {MOST_ITEMS:,} keys. Choose a narrower filter.")
    with transaction.atomic():
        campaign.save(force_insert=True)
        _record(campaign, actor)
        enqueue()
    return campaign


def repeat_reviews() -> int:
    """Start the next campaign of each that has a cadence and has ended. Return how many were started."""
    now, started = timezone.now(), 0
    ended = Campaign.objects.filter(state__in=[CampaignState.CLOSED, CampaignState.SIGNED])
    for old in ended.filter(cadence__isnull=False, next=None).order_by("opened_at"):
        if old.cadence is None or old.opened_at is None or old.opened_at + timedelta(days=old.cadence) > now:
            continue
        new = Campaign(
            name=old.name,
            query=old.query,
            is_list=old.is_list,
            named=old.named,
            rationale=old.rationale,
            previous=old,
            cadence=old.cadence,
            started_at=now,
            due_at=now + (old.due_at - old.opened_at),
        )
        with transaction.atomic():
            locked = Campaign.objects.select_for_update(no_key=True).get(pk=old.pk)
            if locked.cadence is None or Campaign.objects.filter(previous=old).exists():
                continue  # another worker was faster
            new.save(force_insert=True)
            _record(new, None)
        started += 1
    return started


def _record(campaign: Campaign, actor: Actor | None) -> None:
    log.append(
        Event.REVIEW_STARTED,
        actor=actor,
        reason=campaign.rationale,
        filter="selected keys" if campaign.is_list else (campaign.query or "all keys"),
        due_on=timezone.localdate(campaign.due_at).isoformat(),
        cadence=campaign.cadence,
        reviewers=len(campaign.named) or "those who answer for the keys",
        **details_of_campaign(campaign),
    )


def details_of_campaign(campaign: Campaign) -> dict[str, Any]:
    """Return the details of each event about the campaign."""
    return {"campaign": str(campaign.pk), "review": campaign.name}


def _check(starting: Starting) -> list[User]:
    """Return the reviewers whom the person named."""
    check_text("name", "The name", starting.name, NAME_LENGTH)
    check_text("rationale", "The reason", starting.rationale, RATIONALE_LENGTH)
    today = timezone.localdate()
    if starting.due_on < today:
        raise Invalid(due_on="This day has passed. Choose today or a later day.")
    if starting.due_on > today + LONGEST:
        raise Invalid(due_on=f"Choose a day within the next {LONGEST.days} days.")
    if starting.cadence not in {None, *CADENCES}:
        raise Invalid(cadence="Choose one of the listed intervals.")
    if len(starting.named) > MOST_NAMED:
        raise Invalid(named=f"Enter the emails of up to {MOST_NAMED} people.")
    people = [active_person(email, "named") for email in starting.named]
    for person in people:
        if not person.is_active:
            raise Invalid(named=f"{person.email} has no account in the portal. Enter another person.")
    return people


def end_of(day: date) -> datetime:
    return datetime.combine(day, time.max, tzinfo=timezone.get_current_timezone())
