"""Give somebody the task to decide about each live key whose owner has left. The leaver is never asked.

A run does a bounded number of keys, and the next one continues.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from keys.actions.leavers.tell import (
    ask_to_delete,
    ask_to_rotate,
    settle_decided,
    tell_admins_of_red,
    tell_assigned,
)
from keys.audit import log
from keys.models import ApiKey, LeaverPlan, Notification, User
from keys.rules.events import Event
from keys.rules.lifecycle import Phase
from keys.rules.notifications import Kind

AT_ONCE = 500
_PEOPLE = ("owner", "accountable", "backup")


def assign_tasks() -> str:
    """Open the tasks that are due, and close those that nobody needs any more. Return a summary."""
    now, opened = timezone.now(), 0
    _close()
    for key in _without_plan()[:AT_ONCE]:
        opened += _open(key, now)
    for plan in _to_decide_again()[:AT_ONCE]:
        opened += _open(plan.key, now)
    _carry_out_plans()
    tell_admins_of_red(now)
    return f"Tasks for keys of people who left: {opened}"


def assignee(key: ApiKey) -> User | None:
    """Return who must decide about ``key``: the accountable person, else the backup, else None for any admin.

    Only people who can sign in can decide, and the owner has left.
    """
    people = (key.accountable, key.backup)
    return next((one for one in people if one and one.is_active and one.pk != key.owner_id), None)


def _close() -> None:
    """Close the open tasks of keys that have ended or whose owner is back."""
    is_over = ~Q(key__phase=Phase.LIVE) | Q(key__expires_at__lte=timezone.now()) | Q(key__owner_left_at=None)
    over = LeaverPlan.objects.filter(is_over, open_since__isnull=False).values_list("pk", "person_id")
    closed = dict(over[:AT_ONCE])
    with transaction.atomic():
        LeaverPlan.objects.filter(pk__in=list(closed)).update(open_since=None, assigned=None)
        for leaver in sorted(set(closed.values())):
            settle_decided(leaver)


def _without_plan() -> QuerySet[ApiKey]:
    plans = LeaverPlan.objects.filter(key=OuterRef("pk"))
    decided = plans.filter(~Q(decision="") | Q(open_since__isnull=False), person=OuterRef("owner"))
    live = ApiKey.objects.filter(phase=Phase.LIVE, expires_at__gt=timezone.now(), owner_left_at__isnull=False)
    keys = live.filter(~Exists(decided))
    return keys.select_related(*_PEOPLE)


def _to_decide_again() -> QuerySet[LeaverPlan]:
    """Return the plans whose last day has passed, and the open tasks of people who cannot sign in now."""
    passed = Q(open_since=None, decision="keep", until__lt=timezone.localdate())
    gone = Q(open_since__isnull=False, assigned__is_active=False)
    live = Q(key__phase=Phase.LIVE, key__expires_at__gt=timezone.now(), key__owner_left_at__isnull=False)
    plans = LeaverPlan.objects.filter(live, passed | gone)
    return plans.select_related(*(f"key__{name}" for name in _PEOPLE))


def _carry_out_plans() -> None:
    """Ask for the rotations and deletions that were planned, with one mail to each person for each leaver.

    The next owner is asked at once if the owner had left when the plan was made.
    """
    asked = set[tuple[int, int | None]]()
    mailed = defaultdict[int, set[int]](set)
    for plan in [*_not_asked("rotate", Kind.ROTATION_DUE), *_not_asked("remove", Kind.REMOVAL_DUE)]:
        with transaction.atomic():
            same = {"decision": plan.decision, "to": plan.to_id, "decided_at": plan.decided_at}
            if not LeaverPlan.objects.select_for_update().filter(pk=plan.pk, **same).exists():
                continue  # somebody has changed the plan meanwhile
            if plan.to is not None:
                ask_to_rotate(plan.key, plan.to, mail=(plan.person_id, plan.to_id) not in asked)
                asked.add((plan.person_id, plan.to_id))
            else:
                told = mailed[plan.person_id]
                told |= {one.pk for one in ask_to_delete(plan.key, but_no_mail_to=told)}


def _not_asked(decision: str, kind: Kind) -> list[LeaverPlan]:
    """Return decided plans about which nobody was asked since the plan was made and the owner left."""
    asked = Notification.objects.filter(
        kind=kind,
        key=OuterRef("pk"),
        person=OuterRef("person"),
        at__gte=OuterRef("decided_at"),
    ).filter(at__gte=OuterRef("key__owner_left_at"))
    live = Q(key__phase=Phase.LIVE, key__expires_at__gt=timezone.now(), key__owner_left_at__isnull=False)
    plans = LeaverPlan.objects.filter(live, ~Exists(asked), decision=decision, person=F("key__owner"))
    return list(plans.select_related("to", *(f"key__{name}" for name in _PEOPLE)).order_by("pk")[:AT_ONCE])


def _open(key: ApiKey, now: datetime) -> bool:
    """Open the task and record it, unless another process has, or somebody has decided meanwhile."""
    person = assignee(key)
    with transaction.atomic():
        LeaverPlan.objects.bulk_create([LeaverPlan(key=key, person=key.owner)], ignore_conflicts=True)
        row = LeaverPlan.objects.select_for_update().get(pk=key.pk)
        if row.person_id == key.owner_id and row.decision and not _has_passed(row):
            return False
        if row.person_id == key.owner_id and row.open_since and row.assigned_id == (person and person.pk):
            return False
        since = row.open_since or now
        rows = LeaverPlan.objects.filter(pk=key.pk)
        rows.update(person=key.owner, decision="", to=None, until=None, open_since=since, assigned=person)
        log.append(
            Event.KEY_OWNER_LEFT,
            actor=None,
            key=key,
            reason=f"The time to keep it has passed: {row.until.isoformat()}." if row.until else "",
            person=str(key.owner_id),
            email=key.owner.email,
            assigned={"id": str(person.pk), "email": person.email} if person else None,
        )
        row.person_id, row.assigned = key.owner_id, person
        tell_assigned(row)
    return True


def _has_passed(row: LeaverPlan) -> bool:
    return row.until is not None and row.until < timezone.localdate()
