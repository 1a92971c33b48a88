"""Return the page of the policy: each rule in words, and the keys that do not meet it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from django.utils import timezone

from keys.audit.guard import authorize
from keys.models import ApiKey, Finding, PeriodicJob
from keys.rules import scopes as catalogue
from keys.rules.permissions import Action, Actor, Role
from keys.rules.policy.document import Mode, Name, Policy, Rule
from keys.rules.policy.tiers import Tier, tier_of
from keys.rules.policy.violations import rule_in_words
from keys.selectors.counts import bounded_count, count_label
from keys.selectors.policy.facts import policy_in_force, violations_of

SHOWN = 100
"""Keys on one page, those that are due first."""


@dataclass(frozen=True)
class RuleRow:
    """``count``: how many keys do not meet the rule, in words."""

    name: Name
    words: str
    mode: Mode
    count: str
    is_met: bool


@dataclass(frozen=True)
class Outside:
    """A key that does not meet a rule, why not, and how to comply."""

    key: ApiKey
    words: str
    fix: str
    due_on: date


@dataclass(frozen=True)
class PolicyPage:
    """``chosen``: the rule whose keys the page lists, if any. ``more``: whether it cannot
    list all of them. ``checked_at``: when the job last compared the keys.
    """

    rules: list[RuleRow]
    tiers: list[tuple[Tier, str]]
    chosen: Name | None
    outside: list[Outside]
    checked_at: datetime | None
    more: bool


def policy_page(actor: Actor, rule: str) -> PolicyPage:
    """Return the data for the page. An unknown rule is ignored. Raise ``NotAllowed``."""
    authorize(actor, Action.SEE_INVENTORY)
    chosen = Name(rule) if rule in set(Name) else None
    findings = _first(chosen) if chosen else []
    policy = policy_in_force()
    job = PeriodicJob.objects.filter(name="findings").first()
    return PolicyPage(
        rules=[_row(name, each) for name, each in policy.rules.items()],
        tiers=[
            (
                tier,
                ", ".join(catalogue.label(scope) for scope in policy.tiers if _tier(scope, policy) is tier),
            )
            for tier in (Tier.LOW, Tier.MEDIUM, Tier.HIGH)
        ],
        chosen=chosen,
        outside=[each for finding in findings for each in _outside(finding)],
        checked_at=job.finished_at if job else None,
        more=len(findings) == SHOWN,
    )


def _tier(scope: str, policy: Policy) -> Tier:
    """Return the tier that a key gets from ``scope`` and the scopes that it includes."""
    return tier_of([scope], Role.USER, policy.tiers)


def _row(name: Name, rule: Rule) -> RuleRow:
    count = bounded_count(Finding.objects.filter(rule=name))
    return RuleRow(name, rule_in_words(name, rule), rule.mode, count_label(count), count == 0)


def _first(rule: Name) -> list[Finding]:
    findings = Finding.objects.filter(rule=rule).select_related("key__owner")
    return list(findings.order_by("due_on", "id")[:SHOWN])


def _outside(finding: Finding) -> list[Outside]:
    """Return the finding in words, or [] if it no longer holds. The job closes it when it next runs."""
    return [
        Outside(finding.key, violation.words, violation.fix, finding.due_on)
        for violation in violations_of(finding.key, timezone.now())
        if violation.rule == finding.rule
    ]
