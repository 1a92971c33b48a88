"""Refuse what an enforced rule of the policy does not allow. Keys that exist are never cut off."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from keys.models import AccessRequest, ApiKey, Throttle
from keys.models.policy import policy_in_force
from keys.models.throttle import throttle_name
from keys.rules.errors import Conflict, OutsidePolicy
from keys.rules.lifecycle import Phase
from keys.rules.permissions import Actor
from keys.rules.policy.approvals import approvals_needed
from keys.rules.policy.document import Mode, Name, Policy
from keys.rules.policy.entries import is_frozen
from keys.rules.policy.facts import Facts
from keys.rules.policy.refusals import Refusal, refusals
from keys.rules.policy.violations import day_of, tier_in, violations
from keys.rules.rotation import Because
from keys.selectors.policy.facts import excepted, facts_now
from keys.validation.agents import needs_vault
from keys.validation.existing_key import Registration
from keys.validation.new_key import KeyRequest

AT_THE_TOP = "policy"
"""The name that stands for no field of a form."""
ENTERED = frozenset({Name.PURPOSE, Name.TEAM, Name.SYSTEM, Name.ACCOUNTABLE, Name.BACKUP, Name.REVIEW})
"""The rules about what people enter about a key that exists."""
NOT_BY_A_SCOPE = frozenset({Name.USE, Name.NAME})
"""The rules that another scope cannot break."""


def check_new_key(
    actor: Actor,
    request: KeyRequest,
    columns: Mapping[str, Any],
    now: datetime,
    *,
    in_turn: bool = False,
    urgent: bool = False,
) -> None:
    """Raise ``OutsidePolicy`` if ``actor`` may not have the key. ``columns``: who answers for it.

    ``in_turn``: in the transaction that stores the request. If the number of an owner's keys has a limit,
    their requests take turns until it ends. ``urgent``: a freeze does not count.
    """
    policy = policy_in_force()
    facts = Facts(
        scopes=tuple(request.scopes),
        owner_role=actor.role,
        is_agent=request.ownership.kind == ApiKey.Kind.AGENT,
        purpose=request.purpose,
        team=request.ownership.team,
        system=request.ownership.system,
        is_orphan=not columns.get("accountable_id"),
        has_backup=bool(columns.get("backup_id")),
        review_on=request.ownership.review_on,
        created_at=now,
        expires_at=request.expires_at,
        used_at=now,
        stored_in=None,
        name=request.name,
        owners_keys=_keys_with_this(actor, request, policy, in_turn=in_turn),
    )
    urgent = urgent or (request.rotates is not None and request.rotates.because == Because.LEAK)
    _refuse(refusals(policy, facts, now, urgent=urgent or _is_break_glass(request)))


def _is_break_glass(request: KeyRequest) -> bool:
    return (
        request.under is not None
        and AccessRequest.objects.filter(pk=request.under).exclude(ticket="").exists()
    )


def _keys_with_this(actor: Actor, request: KeyRequest, policy: Policy, *, in_turn: bool) -> int:
    """Return how many keys the owner would have. The key that the new one replaces does not count."""
    if policy.rules[Name.KEYS].mode is not Mode.ENFORCE:
        return 0
    if in_turn:
        Throttle.objects.locked(throttle_name("keys", str(actor.user_id)))
    own = ApiKey.objects.filter(owner_id=actor.user_id, phase__in=[Phase.PENDING, Phase.LIVE])
    replaced = [request.rotates.old] if request.rotates else []
    return own.exclude(pk__in=[request.id, *replaced]).count() + 1


def check_widening(key: ApiKey, scopes: Collection[str], now: datetime, *, urgent: bool = False) -> None:
    """Raise ``OutsidePolicy`` if ``key`` may not have these scopes, of which some are new.

    ``urgent``: a freeze does not count.
    """
    policy = policy_in_force()
    facts = replace(facts_now(key, now, policy), scopes=tuple(scopes))
    tier = tier_in(policy, facts).label.lower()
    accepted = excepted([key.pk], now)
    found = [
        Refusal(each.rule, AT_THE_TOP, f"With this scope the key is of tier {tier}. {each.words} {each.fix}")
        for each in violations(_enforced(policy), facts, now)
        if each.rule not in NOT_BY_A_SCOPE and (key.pk, each.rule.value) not in accepted
    ]
    freeze = policy.rules[Name.FREEZE]
    today = [entry for entry in freeze.entries if is_frozen(entry, day_of(now))]
    if freeze.mode is Mode.ENFORCE and today and not urgent:
        found.append(Refusal(Name.FREEZE, AT_THE_TOP, f"No key gets more scopes in this time: {today[0]}."))
    _refuse(replace(each, sentence=f"Policy, “{each.rule.label}”: {each.sentence}") for each in found)


def check_edit(before: Facts, after: Facts, now: datetime) -> None:
    """Raise ``OutsidePolicy`` if an edit takes a key outside a rule, or makes approvals needed."""
    policy = policy_in_force()
    already = {each.rule for each in refusals(policy, before, now)}
    found = [each for each in refusals(policy, after, now) if each.rule not in already]
    _refuse(each for each in found if each.rule in ENTERED)
    if approvals_needed(policy, after) > approvals_needed(policy, before):
        raise OutsidePolicy(
            kind="Policy, “Approvals”: such a key needs approval, which nobody gave for this one. Generate a "
            "new key and ask for approval."
        )


def check_entered(
    registration: Registration, owner_role: int, policy: Policy, now: datetime, *, has_accountable: bool
) -> None:
    """Raise ``OutsidePolicy`` if what a person enters about an existing key lacks what a rule asks for.

    Its life, name and scopes are as they are: outside a rule about them, the key becomes a finding.
    """
    ownership = registration.ownership
    facts = Facts(
        scopes=registration.scopes,
        owner_role=owner_role,
        is_agent=ownership.kind == ApiKey.Kind.AGENT,
        purpose=registration.purpose,
        team=ownership.team,
        system=ownership.system,
        is_orphan=not has_accountable,
        has_backup=bool(ownership.backup),
        review_on=ownership.review_on,
        created_at=registration.created_at,
        expires_at=registration.expires_at,
        used_at=None,
        stored_in=None,
        name=registration.name,
    )
    _refuse(each for each in refusals(policy, facts, now) if each.rule in ENTERED)


def must_be_in_vault(key: ApiKey) -> bool:
    """Return whether only a vault of Cerby counts as storage of a new key."""
    if needs_vault(key):
        return True
    policy = policy_in_force()
    rule = policy.rules[Name.VAULT]
    if rule.mode is not Mode.ENFORCE or key.origin != ApiKey.Origin.GENERATED:
        return False
    facts = facts_now(key, key.created_at, policy)
    return bool(rule.value(tier_in(policy, facts), is_agent=facts.is_agent))


def check_stored(key: ApiKey) -> None:
    """Raise ``Conflict`` if a person wants to confirm that they stored elsewhere what needs a vault."""
    if must_be_in_vault(key) and not key.stored_in:
        raise Conflict("This key must be saved in a vault. Choose Save in Cerby, or delete this key.")


def _enforced(policy: Policy) -> Policy:
    """Return the policy with only the rules that are enforced."""
    return replace(
        policy,
        rules={
            name: rule if rule.mode is Mode.ENFORCE else replace(rule, mode=Mode.OFF)
            for name, rule in policy.rules.items()
        },
    )


def _refuse(found: Iterable[Refusal]) -> None:
    by_field: dict[str, list[str]] = {}
    for each in found:
        by_field.setdefault(each.field or AT_THE_TOP, []).append(each.sentence)
    if by_field:
        raise OutsidePolicy(
            " ".join(sentence for sentences in by_field.values() for sentence in sentences),
            **{field: " ".join(sentences) for field, sentences in by_field.items()},
        )
