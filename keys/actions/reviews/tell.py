"""Put a task into the inbox of each reviewer: one for each campaign, however many items it has."""

from __future__ import annotations

from django.urls import reverse
from django.utils import timezone

from keys.actions.notifications.notify import notify
from keys.actions.notifications.settle import settle
from keys.models import Campaign, InboxItem, ReviewItem, User
from keys.rules.formatting import spoken_day
from keys.rules.notifications import Kind
from keys.rules.permissions import HIGHEST

SIGN = "sign"


def ask_reviewer(campaign: Campaign, person: User, number: int) -> None:
    """Ask the person, or ask again if their task was done. Call it in the transaction of the act."""
    day = spoken_day(timezone.localdate(campaign.due_at))
    keys = f"{number:,} API key{'' if number == 1 else 's'}"
    _ask(campaign, str(person.pk), [person], f"Review {keys} in “{campaign.name}” by {day}.")


def ask_again(campaign: Campaign) -> None:
    """Tell the reviewers with undecided items, and the Owner and the Super Admins, that it is overdue."""
    undecided = ReviewItem.objects.filter(campaign=campaign, decision="")
    late = User.objects.filter(pk__in=undecided.values("reviewer").distinct())
    leads = User.objects.filter(is_active=True, role__in=HIGHEST)
    words = (
        f"The review “{campaign.name}” is overdue. Keys that nobody decides about within 7 days are not "
        "certified."
    )
    _ask(campaign, "late", [*late, *leads], words)


def ask_to_sign(campaign: Campaign) -> None:
    """Ask the Owner and the Super Admins who reviewed nothing to sign off."""
    leads = User.objects.filter(is_active=True, role__in=HIGHEST)
    decided = ReviewItem.objects.filter(campaign=campaign)
    able = [one for one in leads if not decided.filter(decided_by=one).exists()]
    _ask(campaign, SIGN, able, f"The review “{campaign.name}” waits for a sign-off.")


def settle_task(campaign: Campaign, whom: str) -> None:
    """End the task of a reviewer (the number of their row), or that to sign off."""
    settle(Kind.REVIEW_ASKED, once=_name(campaign, whom))


def _ask(campaign: Campaign, whom: str, people: list[User], words: str) -> None:
    name, path = _name(campaign, whom), reverse("keys:review", args=[campaign.pk])
    if notify(Kind.REVIEW_ASKED, words=words, path=path, to=people, once=name) is None:
        waiting = InboxItem.objects.filter(notification__once=name)
        waiting.update(state=InboxItem.State.TASK, done_at=None)


def _name(campaign: Campaign, whom: str) -> str:
    return f"review:{campaign.pk}:{whom}"
