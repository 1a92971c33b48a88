"""Say each rule of a policy as a sentence."""

from __future__ import annotations

from keys.rules.policy.document import Name, Rule, Shape
from keys.rules.policy.entries import pair
from keys.rules.scopes import label

_NEED = {
    Name.PURPOSE: "must have a purpose",
    Name.TEAM: "must name a team",
    Name.SYSTEM: "must name the system that uses it",
    Name.ACCOUNTABLE: "must have an active accountable person",
    Name.BACKUP: "must have a backup",
    Name.VAULT: "must be saved in a vault of Cerby, if the portal generated it",
}
_NUMBERS = {
    Name.LIFE: "A key may be valid for at most this many days in total",
    Name.REVIEW: "A key must have a review date within this many days",
    Name.USE: "A key may be unused for at most this many days",
    Name.KEYS: "The owner of a key may have at most this many active keys",
    Name.APPROVALS: "A request for a key needs this many approvals",
}
_ENTRIES = {
    Name.PAIRS: "No key may have both scopes of a pair",
    Name.NAME: "The name of a key must be like one of these",
    Name.EXPIRY: "A key must expire within these hours",
    Name.FREEZE: "No key is generated, rotated or given more scopes in this time, except after a leak",
}
ASKS_NOTHING = "Nothing is asked."


def rule_in_words(name: Name, rule: Rule) -> str:
    """Return the rule as a sentence."""
    if name.shape is Shape.ENTRIES:
        return f"{_ENTRIES[name]}: {'; '.join(_entries(name, rule))}." if rule.entries else ASKS_NOTHING
    asked = [tier for tier, value in rule.tiers.items() if value]
    if not asked and not rule.agent:
        return ASKS_NOTHING
    if name.shape is not Shape.NEEDED:
        values = [f"{rule.tiers[tier]} ({tier.label.lower()})" for tier in asked]
        agents = [f"{rule.agent} for the key of an agent"] if rule.agent else []
        return f"{_NUMBERS[name]}: {', '.join([*values, *agents])}."
    if len(asked) == len(rule.tiers):
        return f"Every key {_NEED[name]}."
    if not asked:
        return f"Each key of an agent {_NEED[name]}."
    *first, last = (tier.label.lower() for tier in asked)
    who = f"{', '.join(first)} or {last}" if first else last
    agents_too = ", and each key of an agent," if rule.agent else ""
    return f"A key of tier {who}{agents_too} {_NEED[name]}."


def _entries(name: Name, rule: Rule) -> list[str]:
    if name is Name.PAIRS:
        return [" and ".join(label(scope) for scope in pair(entry)) for entry in rule.entries]
    return list(rule.entries)
