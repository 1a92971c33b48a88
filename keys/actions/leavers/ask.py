"""Ask a second person before the keys of somebody who leaves are kept, and then record the plan."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from keys.actions.leavers.plan import check_plan, key_of, plan_keys, store_plans
from keys.actions.people.confirm_role import authorize_now
from keys.actions.requests.open import open_request
from keys.actions.requests.use import use
from keys.models import AccessRequest, LeaverPlan, User
from keys.rules.errors import Conflict, Invalid, NotFound, OutOfDate
from keys.rules.leaving import Plan
from keys.rules.permissions import Action, Actor, Role
from keys.rules.requests import Asked, RequestKind
from keys.selectors.requests.approvers import eligible_approvers


def plan_or_ask(
    actor: Actor, person_id: int, key_ids: list[UUID], plan: Plan, *, reason: str = ""
) -> tuple[int, AccessRequest | None]:
    """Record ``plan`` for the keys, or ask for its approval if the keys are to be kept.

    Return for how many keys the plan is new, and the request if there is one. If nobody else could approve,
    as in an organisation with one admin, the plan is recorded at once. Raises as ``plan_keys`` does.
    """
    if plan.decision != LeaverPlan.Decision.KEEP:
        return plan_keys(actor, person_id, key_ids, plan), None
    check_plan(plan)
    keys = [key_of(actor, person_id, key_id) for key_id in dict.fromkeys(key_ids)]
    for key in keys:
        actor = authorize_now(actor, Action.PLAN_LEAVING, key)
    owner = User.objects.get(pk=person_id)
    least = min(Role(owner.role), Role.SUPER_ADMIN)  # the Owner of the workspace may be the one who leaves
    if not eligible_approvers(Asked(actor.user_id, person_id, least)):
        return plan_keys(actor, person_id, key_ids, plan), None
    assert plan.until is not None
    act = {
        "kind": RequestKind.KEEP.value,
        "keys": [str(key.pk) for key in keys],
        "person": person_id,
        "until": plan.until.isoformat(),
    }
    return 0, open_request(actor, RequestKind.KEEP, act, reason=reason, needed=1, least_role=least)


def keep_approved(request: AccessRequest) -> None:
    """Record the plan as the person who asked. Call this in the transaction of the last approval.

    Raises ``OutOfDate`` if a key has ended meanwhile, or the day has passed. Cerby is not called.
    """
    act, actor = request.act, request.requester.as_actor()
    plan = Plan(LeaverPlan.Decision.KEEP, until=date.fromisoformat(act["until"]))
    try:
        check_plan(plan)
        keys = [key_of(actor, act["person"], UUID(key_id)) for key_id in act["keys"]]
    except (Conflict, Invalid, NotFound) as gone:
        raise OutOfDate("One of the keys has ended, or the day has passed.") from gone
    use(actor, request.pk, subject=request.pk)
    store_plans(actor, act["person"], keys, plan)
