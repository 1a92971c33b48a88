"""Return the page of a person's keys in case they leave, and the tasks of people who must plan."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import F, Q, QuerySet
from django.db.models.lookups import Exact, GreaterThan
from django.utils import timezone

from keys.audit.guard import authorize
from keys.models import LISTED, ApiKey, LeaverPlan, Reach, User
from keys.rules.errors import NotFound
from keys.rules.leaving import RED_AFTER
from keys.rules.lifecycle import Phase
from keys.rules.permissions import Action, Actor
from keys.rules.reach import OPENED_BY, Items, amounts
from keys.selectors.counts import bounded_count, count_label
from keys.selectors.inventory.keyset import Unindexed
from keys.selectors.leavers.next_owner import Suggestion, last_next_owner, suggested_owners

MOST = 200
"""Owned keys on one page. The inventory lists the others."""
SHOWN = 50
"""Keys of the other lists."""
TASKS = 100


@dataclass(frozen=True)
class OwnedKey:
    """``is_red``: it should have got a plan days ago."""

    key: ApiKey
    plan: LeaverPlan | None
    may_plan: bool
    is_red: bool

    @property
    def has_plan(self) -> bool:
        return self.plan is not None and bool(self.plan.decision)


@dataclass(frozen=True)
class LeavingPage:
    """``all_of_them``: the actor sees all keys of the person, and not only those that they answer for.

    ``accountable`` and ``backup`` leave out the keys that the person owns. The counts include them, and are
    words such as "3" or "1,000+". ``next_owner``: the email of the last one that was
    planned, or "". ``reach`` says what the person owns in Cerby, or is "".
    """

    person: User
    owned: list[OwnedKey]
    owned_count: str
    accountable: list[ApiKey]
    accountable_count: str
    backup: list[ApiKey]
    backup_count: str
    all_of_them: bool
    reach: str
    teams: int | None
    counted_at: datetime | None
    may_export: bool
    suggestions: list[Suggestion]
    next_owner: str

    @property
    def more(self) -> bool:
        return len(self.owned) == MOST

    def selected(self, which: str) -> set[str]:
        """Return the ids of the keys to tick: ``all``, or those ``without`` a plan."""
        wanted = [one for one in self.owned if which == "all" or (which == "without" and not one.has_plan)]
        return {str(one.key.pk) for one in wanted if one.may_plan}

    @property
    def may_plan(self) -> bool:
        return any(one.may_plan for one in self.owned)


def leaving_page(actor: Actor, user_id: int) -> LeavingPage:
    """Raise ``NotAllowed``, or ``NotFound``.

    Admins see all keys of the person. Others see the keys for which they answer.
    """
    sees_all = actor.may(Action.SEE_PEOPLE)
    mine = Q() if sees_all else Q(accountable_id=actor.user_id) | Q(backup_id=actor.user_id)
    owned = _live().filter(mine, owner_id=user_id)
    if not sees_all and not owned.exists():
        authorize(actor, Action.SEE_PEOPLE)
    person = User.objects.filter(pk=user_id).first()
    if person is None:
        raise NotFound("The portal does not know this person.")
    people = (
        "owner",
        "accountable",
        "backup",
        "leaver_plan__to",
        "leaver_plan__assigned",
        "leaver_plan__decided_by",
    )
    rows = list(owned.select_related(*people).order_by("-created_at", "-id")[:MOST])
    answers = _live() if sees_all else ApiKey.objects.none()
    accountable, backup = answers.filter(accountable=person), answers.filter(backup=person)
    reach = Reach.objects.filter(pk=person.pk).first()
    return LeavingPage(
        person=person,
        owned=[_owned(actor, key) for key in rows],
        owned_count=count_label(bounded_count(owned)),
        accountable=_newest(accountable.exclude(owner=person)),
        accountable_count=count_label(bounded_count(accountable)),
        backup=_newest(backup.exclude(owner=person)),
        backup_count=count_label(bounded_count(backup)),
        all_of_them=sees_all,
        reach=amounts(OPENED_BY, reach.counts()) if reach and reach.counted_at else "",
        teams=reach.counts()[Items.TEAMS] if reach else None,
        counted_at=reach.counted_at if reach else None,
        suggestions=suggested_owners(person, rows),
        next_owner=last_next_owner(rows),
        may_export=sees_all and actor.may(Action.EXPORT_EVIDENCE),
    )


def _live() -> QuerySet[ApiKey]:
    """Return the active keys. A person has fewer of them than the workspace, so the person leads."""
    phase, expiry = Unindexed(F("phase")), Unindexed(F("expires_at"))
    return ApiKey.objects.filter(LISTED, Exact(phase, Phase.LIVE), GreaterThan(expiry, timezone.now()))


def _newest(keys: QuerySet[ApiKey]) -> list[ApiKey]:
    return list(keys.order_by("-created_at", "-id")[:SHOWN])


def _owned(actor: Actor, key: ApiKey) -> OwnedKey:
    plan: LeaverPlan | None = getattr(key, "leaver_plan", None)
    if plan is not None and plan.person_id != key.owner_id:
        plan = None
    return OwnedKey(key, plan, actor.may(Action.PLAN_LEAVING, key), plan is not None and is_red(plan))


def is_red(plan: LeaverPlan) -> bool:
    return plan.open_since is not None and timezone.now() - plan.open_since >= RED_AFTER


def open_plans() -> QuerySet[LeaverPlan]:
    """Return the tasks of keys that still work. There are fewer of them than keys, so they lead."""
    phase, expiry = Unindexed(F("key__phase")), Unindexed(F("key__expires_at"))
    live = Exact(phase, Phase.LIVE), GreaterThan(expiry, timezone.now())
    return LeaverPlan.objects.filter(*live, open_since__isnull=False)


def red_plans(now: datetime) -> QuerySet[LeaverPlan]:
    return open_plans().filter(open_since__lte=now - RED_AFTER)


def tasks_of(actor: Actor) -> list[LeaverPlan]:
    """Return the person's tasks, the oldest first. For admins, also those that are for any admin."""
    mine = Q(assigned_id=actor.user_id)
    if actor.may(Action.SEE_INVENTORY):
        mine |= Q(assigned=None) & ~Q(person_id=actor.user_id)
    plans = open_plans().filter(mine).select_related("key", "person")
    return list(plans.order_by("open_since")[:TASKS])
