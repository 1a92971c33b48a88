"""Find the people who can approve a policy, and check that a policy can be met by the people there are."""

from __future__ import annotations

from django.db.models import QuerySet

from keys.models import User
from keys.rules.errors import Invalid
from keys.rules.permissions import HIGHEST
from keys.rules.policy.document import Mode, Name, Policy
from keys.rules.policy.tiers import Tier


def people_who_may_approve(*, besides: int) -> QuerySet[User]:
    """Return the people who can sign in and may approve what the person ``besides`` proposes."""
    return User.objects.filter(is_active=True, role__in=list(HIGHEST)).exclude(pk=besides).order_by("name")


def check_has_approvers(policy: Policy) -> None:
    """Raise ``Invalid`` if requests need more approvals than there are other Owners and Super Admins."""
    rule = policy.rules[Name.APPROVALS]
    if rule.mode is not Mode.ENFORCE:
        return
    needed = max(int(value or 0) for value in (*(rule.tiers.get(tier) for tier in Tier), rule.agent))
    people = list(people_who_may_approve(besides=0)[: needed + 1])
    if needed and len(people) <= needed:
        names = ", ".join(person.name for person in people) or "nobody"
        raise Invalid(
            f"“Approvals” asks for {needed}, so at least {needed + 1} Owners or Super Admins must be able to "
            f"sign in: one asks, the others approve. There are {len(people)}: {names}. Add a person, or "
            "lower the number."
        )
