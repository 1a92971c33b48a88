"""Return the people who can decide about a request."""

from __future__ import annotations

from keys.models import AccessRequest, User
from keys.rules.permissions import ADMINS, Role
from keys.rules.requests import Approver, Asked, why_not_decide

SHOWN = 50


def approvers_of(request: AccessRequest) -> list[User]:
    """Return the people who may decide about it and can sign in, highest role first."""
    return eligible_approvers(request.asked())


def eligible_approvers(asked: Asked) -> list[User]:
    """Return up to ``SHOWN`` people who may decide. A policy that needs more approvals cannot be met."""
    roles = [role for role in ADMINS if role >= asked.least_approver]
    people = User.objects.filter(is_active=True, role__in=roles).order_by("-role", "name", "pk")
    return [
        one
        for one in people[: SHOWN + 2]
        if not why_not_decide(Approver(one.pk, Role(one.role), one.is_active), asked)
    ][:SHOWN]
