"""Compare a key with the policy, and say in words what each rule asks and how to comply."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from keys.rules.policy.document import Mode, Name, Policy, Rule, Value
from keys.rules.policy.facts import Facts
from keys.rules.policy.tiers import Tier, tier_of


@dataclass(frozen=True)
class Violation:
    """``words``: why the key is outside the rule. ``fix``: what people can do about it."""

    rule: Name
    words: str
    fix: str


_FIXES = {
    Name.LIFE: "Rotate the key, and choose an earlier expiry for the new one.",
    Name.PURPOSE: "Edit the key and enter its purpose.",
    Name.TEAM: "Edit the key and enter its team.",
    Name.SYSTEM: "Edit the key and enter the system that uses it.",
    Name.ACCOUNTABLE: "Edit the key and enter an active accountable person.",
    Name.BACKUP: "Edit the key and enter a backup.",
    Name.VAULT: "Rotate the key, and choose Save in Cerby for the new one.",
    Name.REVIEW: "Edit the key and enter a review date within that time.",
    Name.USE: "Delete the key if nobody needs it.",
}
_LACKS = {
    Name.PURPOSE: "It has no purpose.",
    Name.TEAM: "It has no team.",
    Name.SYSTEM: "It has no system.",
    Name.ACCOUNTABLE: "It has no active accountable person.",
    Name.BACKUP: "It has no backup.",
    Name.VAULT: "It is not saved in a vault of Cerby.",
}
_ENTER_EXPIRY = "Find the expiry in Cerby's web app and enter it."


def fix(rule: Name) -> str:
    return _FIXES[rule]


def tier_in(policy: Policy, facts: Facts) -> Tier:
    return tier_of(facts.scopes, facts.owner_role, policy.tiers)


def violations(policy: Policy, facts: Facts, now: datetime, today: date) -> list[Violation]:
    """Return the rules that a live key does not meet, in the order of the policy."""
    tier = tier_in(policy, facts)
    found = []
    for name, rule in policy.rules.items():
        if name.is_for_requests or rule.mode is Mode.OFF:
            continue
        value = rule.value(tier, is_agent=facts.is_agent)
        words = _broken(name, value, facts, now, today)
        if words:
            unknown = name is Name.LIFE and facts.expires_at is None
            found.append(Violation(name, words, _ENTER_EXPIRY if unknown else _FIXES[name]))
    return found


def _broken(name: Name, value: Value, facts: Facts, now: datetime, today: date) -> str:
    """Return why the key does not meet the rule, or ""."""
    if not value:
        return ""
    if not name.counts_days:
        return _LACKS[name] if _lacks(name, facts) else ""
    days = int(value)
    if name is Name.LIFE:
        return _life(facts, days)
    if name is Name.REVIEW:
        return _review(facts, days, today)
    if facts.used_at is not None and now - facts.used_at > timedelta(days=days):
        return f"It was not used for {(now - facts.used_at).days:,} days; {days} are allowed."
    return ""


def _lacks(name: Name, facts: Facts) -> bool:
    return {
        Name.PURPOSE: not facts.purpose,
        Name.TEAM: not facts.team,
        Name.SYSTEM: not facts.system,
        Name.ACCOUNTABLE: facts.is_orphan,
        Name.BACKUP: not facts.has_backup,
        Name.VAULT: facts.stored_in == "",
    }[name]


def _life(facts: Facts, days: int) -> str:
    if facts.expires_at is None:
        return "Nobody has told the portal when it expires."
    if facts.created_at is None or facts.expires_at - facts.created_at <= timedelta(days=days):
        return ""
    life = -((facts.created_at - facts.expires_at) // timedelta(days=1))  # rounded up
    return f"It is valid for {life:,} days in total; {days} are allowed."


def _review(facts: Facts, days: int, today: date) -> str:
    if facts.review_on is None:
        return f"It has no review date; one within {days} days is asked for."
    if facts.review_on > today + timedelta(days=days):
        ahead = (facts.review_on - today).days
        return f"Its review date is {ahead:,} days ahead; {days} are allowed."
    return ""


_NEED = {
    Name.PURPOSE: "must have a purpose",
    Name.TEAM: "must name a team",
    Name.SYSTEM: "must name the system that uses it",
    Name.ACCOUNTABLE: "must have an active accountable person",
    Name.BACKUP: "must have a backup",
    Name.VAULT: "must be saved in a vault of Cerby, if the portal generated it",
}
_DAYS = {
    Name.LIFE: ("may be valid for at most", "days in total"),
    Name.REVIEW: ("must have a review date within", "days"),
    Name.USE: ("must have been used within the last", "days"),
}


def rule_in_words(name: Name, rule: Rule) -> str:
    """Return the rule as a sentence."""
    asked = [tier for tier, value in rule.tiers.items() if value]
    if name is Name.APPROVALS:
        values = [f"{rule.tiers[tier]} ({tier.label.lower()})" for tier in asked]
        agents = f", and at least {rule.agent} if it is an agent's" if rule.agent else ""
        return f"A request for a key needs this many approvals: {', '.join(values)}{agents}."
    if name.counts_days:
        before, after = _DAYS[name]
        values = [f"{rule.tiers[tier]} ({tier.label.lower()})" for tier in asked]
        agents = f", and {rule.agent} if it is an agent's" if rule.agent else ""
        return f"A key {before} this many {after}: {', '.join(values)}{agents}."
    if len(asked) == len(rule.tiers):
        return f"Every key {_NEED[name]}."
    *first, last = (tier.label.lower() for tier in asked)
    who = f"{', '.join(first)} or {last}" if first else last
    agents = ", and each key of an agent," if rule.agent else ""
    return f"A key of tier {who}{agents} {_NEED[name]}."
