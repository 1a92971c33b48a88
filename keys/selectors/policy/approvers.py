"""Find the people who can approve a policy, and check that a policy can be met by the people there are."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import QuerySet
from django.utils import timezone

from keys.models import AuditEvent, User
from keys.rules.errors import Conflict, Invalid
from keys.rules.events import Event
from keys.rules.permissions import HIGHEST, Actor
from keys.rules.policy.document import Mode, Name, Policy
from keys.rules.policy.tiers import Tier

REMOVED_LATELY = timedelta(days=7)


def people_who_may_approve(*, besides: int) -> QuerySet[User]:
    """Return the people who can sign in and may approve what the person ``besides`` proposes."""
    return User.objects.filter(is_active=True, role__in=list(HIGHEST)).exclude(pk=besides).order_by("name")


def check_removed_nobody(actor: Actor) -> None:
    """Raise ``Conflict`` if ``actor`` has lately removed a person, who could have approved."""
    since = timezone.now() - REMOVED_LATELY
    removals = AuditEvent.objects.filter(type=Event.PERSON_REMOVED, actor_id=actor.user_id, at__gt=since)
    if removals.exists():
        raise Conflict(
            f"Nobody else can approve the policy, and you removed a person in the last {REMOVED_LATELY.days} "
            "days. Add an Owner or Super Admin who approves it, or wait until then."
        )


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
