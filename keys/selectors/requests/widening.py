"""Describe the scope that a request is to add to a key, and say whether what was approved has changed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.utils import timezone

from keys.models import AccessRequest, ApiKey, Reach
from keys.models.policy import policy_in_force
from keys.rules import scopes as catalogue
from keys.rules.permissions import Role
from keys.rules.policy.tiers import Tier
from keys.rules.policy.violations import Violation, tier_in, violations
from keys.rules.reach import ReachInWords, in_words
from keys.rules.requests import RequestKind, RequestState
from keys.selectors.policy.facts import facts_now
from keys.selectors.requests.needs import approvals_to_widen


@dataclass(frozen=True)
class AskedScope:
    """A scope that a key is to get. ``now``: the labels of its scopes when this was asked.

    ``tier``, ``reach`` and ``violations``: with the scope. ``changed``: why it is out of date, or "".
    """

    key: ApiKey
    label: str
    description: str
    writes: bool
    now: list[str]
    tier_now: Tier
    tier: Tier
    reach: ReachInWords
    violations: list[Violation]
    changed: str


def widened(act: dict[str, Any]) -> list[str]:
    """Return the scopes of the key with the scope of the document ``act``."""
    return catalogue.in_order([*act["scopes"], act["scope"]])


def asked_scope(request: AccessRequest) -> AskedScope:
    """Return what the page of the request shows."""
    act, now, policy = request.act, timezone.now(), policy_in_force()
    key = ApiKey.objects.select_related("owner").get(pk=act["key"])
    after = widened(act)
    before = facts_now(key, now, policy)
    facts = replace(before, scopes=tuple(after))
    reach = Reach.objects.filter(pk=key.owner_id).first()
    known = catalogue.CATALOGUE.get(act["scope"])
    is_pending = request.state_now() in {RequestState.OPEN, RequestState.APPROVED}
    return AskedScope(
        key=key,
        label=catalogue.label(act["scope"]),
        description=known.description if known else "The portal does not know this scope.",
        writes=known.writes if known else True,
        now=[catalogue.label(scope) for scope in act["scopes"]],
        tier_now=tier_in(policy, before),
        tier=tier_in(policy, facts),
        reach=in_words(after, reach.counts() if reach else {}, key.owner.name),
        violations=violations(policy, facts, now),
        changed=why_out_of_date(request, key) if is_pending else "",
    )


def why_out_of_date(request: AccessRequest, key: ApiKey) -> str:
    """Return what has changed since people approved that ``key`` gets the scope, or ""."""
    act = request.act
    if set(key.scopes) != set(act["scopes"]):
        return "The key's scopes have changed since you asked."
    if key.owner_id != act["person"] or Role(key.owner.role) > request.least_role:
        return "The key acts as a person with a higher role, or as another person, than when you asked."
    if not request.is_break_glass and approvals_to_widen(key, widened(act)) > request.needed:
        return "The policy has changed, and the scope needs more approvals now."
    is_approved = request.state in {RequestState.APPROVED, RequestState.USED}
    if not request.is_break_glass and is_approved and len(request.standing_approvals()) < request.needed:
        return "A person who approved it may not decide about it any more."
    return ""


def waiting_to_widen(key_id: UUID, scope: str) -> AccessRequest | None:
    """Return the request for this scope that nobody has decided yet, or None."""
    asked = AccessRequest.objects.filter(subject=key_id, kind=RequestKind.WIDEN, state=RequestState.OPEN)
    waiting = asked.filter(decide_by__gt=timezone.now()).order_by("made_at", "id")
    return next((request for request in waiting if request.act["scope"] == scope), None)
