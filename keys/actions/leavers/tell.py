"""Tell people that they must plan the keys of somebody who left: once for all keys, not for each."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from django.db.models import Min
from django.urls import reverse

from keys.actions.notifications.notify import mail_each, notify
from keys.actions.notifications.settle import settle
from keys.models import ApiKey, LeaverPlan, User
from keys.rules.leaving import RED_AFTER
from keys.rules.notifications import Kind
from keys.rules.permissions import ADMINS, Action
from keys.rules.visible import named
from keys.selectors.leavers.page import red_plans

PEOPLE_AT_ONCE = 500


def tell_assigned(plan: LeaverPlan) -> None:
    """Tell the person to whom ``plan`` is assigned, or admins, unless a task about the leaver waits for them.

    Call it in the transaction that opens the task, with the row of the plan locked.
    """
    leaver = _locked(plan.person_id)
    others = LeaverPlan.objects.filter(person=leaver, assigned=plan.assigned_id, open_since__isnull=False)
    if not others.exclude(pk=plan.pk).exists():
        notify(
            Kind.PERSON_LEFT,
            words=f"{leaver.name} has left. Plan each of their API keys: rotate, remove or keep.",
            path=reverse("keys:leaving", args=[leaver.pk]),
            to=[plan.assigned] if plan.assigned else _admins(),
            person=leaver,
        )
    settle_decided(leaver.pk)


def settle_decided(leaver_id: int) -> None:
    """Settle the tasks of those who need not decide any more. Admins keep theirs until all is decided."""
    leaver = _locked(leaver_id)
    plans = LeaverPlan.objects.filter(person=leaver, open_since__isnull=False)
    still = set(plans.values_list("assigned_id", flat=True).distinct())
    waiting = {pk for pk in still if pk is not None}
    if still:
        waiting |= {admin.pk for admin in _admins()}
    settle(Kind.PERSON_LEFT, person=leaver, but_of=waiting)


def tell_next_owner(keys: list[ApiKey], to: User | None) -> None:
    """Tell ``to`` which keys of somebody who has left they are to rotate, with one mail for all of them.

    A former plan for these keys no longer asks anybody for anything. Call it in the plan's transaction.
    """
    left = [key for key in keys if key.owner_left_at is not None]
    for number, key in enumerate(left):
        settle(Kind.ROTATION_DUE, Kind.REMOVAL_DUE, key=key)
        if to is not None:
            ask_to_rotate(key, to, mail=number == 0)


def ask_to_rotate(key: ApiKey, to: User, *, mail: bool) -> None:
    notify(
        Kind.ROTATION_DUE,
        words=f"{key.owner_name} has left. Rotate “{named(key.name)}”, so that it acts as you.",
        path=reverse("keys:rotate", args=[key.pk]),
        to=[to],
        key=key,
        person=key.owner,
        mail=mail,
    )


def who_may_delete(key: ApiKey) -> list[User]:
    """Return the admins, and the people who answer for ``key``, who may delete it in the portal."""
    people = {one.pk: one for one in (*_admins(), key.accountable, key.backup) if one and one.is_active}
    actors = [(one, replace(one.as_actor(), role_is_stale=False)) for one in people.values()]
    return [one for one, actor in actors if actor.may(Action.DELETE_KEY, key)]


def ask_to_delete(key: ApiKey, *, but_no_mail_to: Collection[int] = ()) -> list[User]:
    """Ask everybody who may delete ``key`` to do so, as planned, and return them.

    The deletion settles the task for all. If only its owner could delete it in the portal, admins are asked
    to delete it in Cerby. The people with the ids ``but_no_mail_to`` get no further mail.
    """
    people = who_may_delete(key)
    by_hand = "" if people else "Only its owner may delete it in the portal, so delete it in Cerby's web app."
    people = people or _admins()
    made = notify(
        Kind.REMOVAL_DUE,
        words=f"{key.owner_name} has left. Delete “{named(key.name)}”, as planned.",
        text=by_hand,
        path=(
            reverse("keys:leaving", args=[key.owner_id])  # they may not open the page of the key
            if by_hand
            else reverse("keys:key-delete", args=[key.pk])
        ),
        to=people,
        key=key,
        person=key.owner,
        mail=False,
    )
    without_mail = [one for one in people if one.pk not in but_no_mail_to]
    if made is not None and without_mail:
        mail_each(made, without_mail)
    return people


def tell_admins_of_red(now: datetime) -> None:
    """Tell admins once of each leaver about whose keys nobody has decided for a week. The alert is mailed."""
    late = red_plans(now).values("person").annotate(since=Min("open_since")).order_by("-since")
    for row in late[:PEOPLE_AT_ONCE]:
        leaver = User.objects.get(pk=row["person"])
        notify(
            Kind.PERSON_LEFT,
            words=f"{leaver.name} has left. For {RED_AFTER.days} days their API keys have had no plan.",
            path=reverse("keys:leaving", args=[leaver.pk]),
            person=leaver,
            once=f"leaver-red:{leaver.pk}:{row['since']:%Y-%m-%d}",
            mail=False,
        )


def _admins() -> list[User]:
    """Return the people who may decide about any key. The first who decides settles the task for all."""
    return list(User.objects.filter(is_active=True, role__in=ADMINS).order_by("pk"))


def _locked(leaver_id: int) -> User:
    """Lock the leaver, so that a decision and a new task wait for each other."""
    return User.objects.select_for_update(no_key=True).get(pk=leaver_id)
