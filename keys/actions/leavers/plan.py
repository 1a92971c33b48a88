"""Plan keys in case their owner leaves, or after that: rotate, remove, or keep them for a while."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from keys.actions.leavers.tell import settle_decided, tell_next_owner
from keys.actions.people.accountable import active_person
from keys.actions.people.confirm_role import authorize_now
from keys.audit import log
from keys.models import ApiKey, LeaverPlan, User
from keys.rules.errors import Conflict, Invalid, NotFound
from keys.rules.events import Event
from keys.rules.leaving import KEPT_AT_MOST, NO_PLAN, Plan
from keys.rules.lifecycle import Phase
from keys.rules.permissions import Action, Actor, roles_that_may
from keys.selectors.key.page import key_for

Decision = LeaverPlan.Decision


def plan_keys(actor: Actor, person_id: int, key_ids: list[UUID], plan: Plan) -> int:
    """Record ``plan`` for each of these keys, which ``person_id`` owns. Return for how many it is new.

    To keep keys, somebody must have approved it (keys.actions.leavers.ask).
    If a plan is taken back after the owner has left, somebody is asked for another one within a minute.

    Raises ``Invalid`` if the plan is not complete, ``NotFound`` or ``NotAllowed`` for the first key that the
    actor may not see or plan, and ``Conflict`` if a key has ended. Nothing is changed then.
    """
    keys = [key_of(actor, person_id, key_id) for key_id in dict.fromkeys(key_ids)]
    for key in keys:
        actor = authorize_now(actor, Action.PLAN_LEAVING, key)
    to = _next_owner(plan, keys)
    check_plan(plan)
    return store_plans(actor, person_id, keys, plan, to)


def store_plans(actor: Actor, person_id: int, keys: list[ApiKey], plan: Plan, to: User | None = None) -> int:
    """Store the plan for each key, and return for how many it is new. The caller has checked it."""
    with transaction.atomic():
        changed = [key for key in keys if _store(actor, key, plan, to)]
        settle_decided(person_id)
        tell_next_owner(changed, to)
    return len(changed)


def key_of(actor: Actor, person_id: int, key_id: UUID) -> ApiKey:
    """Return the key. Raise ``NotFound`` if the person does not own it, and ``Conflict`` if it has ended."""
    key = key_for(actor, key_id)
    if key.owner_id != person_id:
        raise NotFound("This person does not own the API key.")
    if key.phase != Phase.LIVE:
        raise Conflict(f"“{key}” has ended. Reload the page.")
    return key


def _next_owner(plan: Plan, keys: list[ApiKey]) -> User | None:
    if plan.decision != Decision.ROTATE:
        return None
    if not plan.to:
        raise Invalid(to="Enter the email of the person who is to own the new key.")
    person = active_person(plan.to.lower(), "to")
    if any(key.owner_id == person.pk for key in keys):
        raise Invalid(to="This is the person who leaves. Enter another person.")
    successor = person.as_actor()
    if not successor.may(Action.GENERATE_KEY):
        roles = ", ".join(roles_that_may(Action.GENERATE_KEY, successor.management))
        raise Invalid(
            to=f"{person.name} may not generate API keys. Enter a person with one of the roles {roles}."
        )
    return person


def check_plan(plan: Plan) -> None:
    """Raise ``Invalid`` if the plan is not complete."""
    if plan.decision not in {*Decision.values, NO_PLAN}:
        raise Invalid(decision="Choose one of the plans.")
    if plan.decision != Decision.KEEP:
        return
    today = timezone.localdate()
    if plan.until is None:
        raise Invalid(until="Enter the last day on which the key is to work.")
    if not today <= plan.until <= today + KEPT_AT_MOST:
        raise Invalid(until=f"Choose a day within the next {KEPT_AT_MOST.days} days.")


def _store(actor: Actor, key: ApiKey, plan: Plan, to: User | None) -> bool:
    until = plan.until if plan.decision == Decision.KEEP else None
    decision = "" if plan.decision == NO_PLAN else plan.decision
    columns: dict[str, Any] = {"decision": decision, "to": to, "until": until}
    if not decision and not _has_plan(key):
        return False
    LeaverPlan.objects.bulk_create([LeaverPlan(key=key, person_id=key.owner_id)], ignore_conflicts=True)
    row = LeaverPlan.objects.select_for_update().get(pk=key.pk)
    same = (row.person_id, row.decision, row.to_id, row.until) == (
        *(key.owner_id, decision),
        *(to.pk if to else None, until),
    )
    if same and row.open_since is None:
        return False
    columns |= {"person": key.owner, "decided_by_id": actor.user_id, "decided_at": timezone.now()}
    LeaverPlan.objects.filter(pk=key.pk).update(open_since=None, assigned=None, **columns)
    log.append(
        Event.KEY_PLANNED,
        actor=actor,
        key=key,
        person=str(key.owner_id),
        email=key.owner.email,
        decision=decision,
        to={"id": str(to.pk), "email": to.email} if to else None,
        until=until.isoformat() if until else "",
    )
    return True


def _has_plan(key: ApiKey) -> bool:
    plans = LeaverPlan.objects.filter(pk=key.pk, person=key.owner_id)
    return plans.exclude(decision="").exists()
