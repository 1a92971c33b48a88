"""Compare a key with the policy, and say in words why it is outside a rule and how to comply."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from keys.rules.policy.document import Mode, Name, Policy, Rule, Shape
from keys.rules.policy.entries import has_pair, matches, pair
from keys.rules.policy.facts import Facts
from keys.rules.policy.tiers import Tier, tier_of
from keys.rules.scopes import label


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
    Name.KEYS: "Delete keys of this owner that nobody needs.",
    Name.PAIRS: "Remove a scope from the key.",
    Name.NAME: "Rotate the key, and give the new one another name.",
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


def day_of(now: datetime) -> date:
    """Return the day that the policy counts by, which is the same for all readers."""
    return now.astimezone(UTC).date()


def tier_in(policy: Policy, facts: Facts) -> Tier:
    return tier_of(facts.scopes, facts.owner_role, policy.tiers)


def violations(policy: Policy, facts: Facts, now: datetime) -> list[Violation]:
    """Return the rules that a live key does not meet, in the order of the policy."""
    tier = tier_in(policy, facts)
    found = []
    for name, rule in policy.rules.items():
        if name.is_for_requests or rule.mode is Mode.OFF:
            continue
        words = broken(name, rule, facts, tier, now)
        if words:
            unknown = name is Name.LIFE and facts.expires_at is None
            found.append(Violation(name, words, _ENTER_EXPIRY if unknown else _FIXES[name]))
    return found


def broken(name: Name, rule: Rule, facts: Facts, tier: Tier, now: datetime) -> str:
    """Return why the key does not meet the rule, which is about active keys, or ""."""
    if name.shape is Shape.ENTRIES:
        return _outside_entries(name, rule.entries, facts)
    value = rule.value(tier, is_agent=facts.is_agent)
    if not value:
        return ""
    if name.shape is Shape.NEEDED:
        return _LACKS[name] if _lacks(name, facts) else ""
    return {
        Name.LIFE: lambda: _life(facts, value),
        Name.REVIEW: lambda: _review(facts, value, day_of(now)),
        Name.USE: lambda: _use(facts, value, now),
        Name.KEYS: lambda: _keys(facts, value),
    }[name]()


def _outside_entries(name: Name, entries: tuple[str, ...], facts: Facts) -> str:
    if name is Name.PAIRS:
        found = [pair(entry) for entry in entries if has_pair(entry, facts.scopes)]
        return " ".join(f"It has “{label(first)}” and “{label(second)}”." for first, second in found)
    if entries and not any(matches(entry, facts.name) for entry in entries):
        return f"Its name is not like {' or '.join(f'“{entry}”' for entry in entries)}."
    return ""


def _use(facts: Facts, days: int, now: datetime) -> str:
    if facts.used_at is None or now - facts.used_at <= timedelta(days=days):
        return ""
    return f"It was not used for {(now - facts.used_at).days:,} days; {days} are allowed."


def _keys(facts: Facts, most: int) -> str:
    if facts.owners_keys <= most:
        return ""
    return f"Its owner has {facts.owners_keys:,} active keys; {most} are allowed."


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
    if facts.created_at is None or life_in_seconds(facts.created_at, facts.expires_at) <= days * 86_400:
        return ""
    life = -((facts.created_at - facts.expires_at) // timedelta(days=1))  # rounded up
    return f"It is valid for {life:,} days in total; {days} are allowed."


def life_in_seconds(created_at: datetime, expires_at: datetime) -> int:
    """Return the seconds between both, as the database counts them: of each time, only whole seconds."""
    return int(expires_at.timestamp()) - int(created_at.timestamp())


def _review(facts: Facts, days: int, today: date) -> str:
    if facts.review_on is None:
        return f"It has no review date; one within {days} days is asked for."
    if facts.review_on > today + timedelta(days=days):
        ahead = (facts.review_on - today).days
        return f"Its review date is {ahead:,} days ahead; {days} are allowed."
    return ""
