"""Return how many approvals an act needs, and what the policy says about a requested key."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from django.db.models import Sum
from django.utils import timezone

from keys.models import AccessRequest, ApiKey, Selection
from keys.models.policy import policy_in_force
from keys.rules.bulk import TYPED_ABOVE
from keys.rules.permissions import Action, Actor, Role
from keys.rules.policy.approvals import approvals_needed
from keys.rules.policy.facts import Facts
from keys.rules.policy.violations import Violation, violations
from keys.selectors.policy.facts import facts_now
from keys.validation.new_key import KeyRequest


def approvals_for(actor: Actor, request: KeyRequest) -> int:
    """Return how many people must approve before ``actor`` may generate the key.

    People who may not generate keys by themselves, such as Users, need one.
    """
    least = 0 if actor.may(Action.GENERATE_KEY) else 1
    return max(least, approvals_needed(policy_in_force(), requested_facts(actor.role, request)))


def approvals_to_widen(key: ApiKey, scopes: Collection[str]) -> int:
    """Return how many people must approve before ``key`` may have ``scopes``, of which some are new."""
    policy = policy_in_force()
    return approvals_needed(policy, replace(facts_now(key, timezone.now(), policy), scopes=tuple(scopes)))


def approvals_to_delete(selection: Selection) -> int:
    """Return how many people must approve the deletion of the list.

    It is one if the person deletes more than ten keys within a day without approval, in one list or several.
    """
    since = timezone.now() - Selection.KEPT
    mine = Selection.objects.filter(user_id=selection.user_id, made_at__gt=since, act=Selection.Act.DELETE)
    alone = mine.exclude(pk__in=AccessRequest.objects.filter(made_at__gt=since).values("subject"))
    deleted = alone.exclude(pk=selection.pk).aggregate(keys=Sum("count"))["keys"] or 0
    return int(deleted + selection.count > TYPED_ABOVE)


def would_violate(role: Role, request: KeyRequest) -> list[Violation]:
    """Return the rules of the policy that the requested key would not meet."""
    return violations(policy_in_force(), requested_facts(role, request), timezone.now())


def requested_facts(role: Role, request: KeyRequest) -> Facts:
    """Return the facts of a key that its requester, who has ``role``, would own."""
    named = request.ownership
    return Facts(
        scopes=request.scopes,
        owner_role=role,
        is_agent=named.kind == ApiKey.Kind.AGENT,
        purpose=request.purpose,
        team=named.team,
        system=named.system,
        is_orphan=False,
        has_backup=bool(named.backup),
        review_on=named.review_on,
        created_at=timezone.now(),
        expires_at=request.expires_at,
        used_at=None,
        stored_in=None,
        name=request.name,
    )
