"""Compare a request for a key with the rules that are enforced, and say which values would pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from keys.rules.policy.document import Mode, Name, Policy, Rule, Value
from keys.rules.policy.entries import has_pair, is_frozen, is_within, pair, period
from keys.rules.policy.facts import Facts
from keys.rules.policy.tiers import Tier
from keys.rules.policy.violations import broken, day_of, tier_in
from keys.rules.scopes import label

FIELDS = {
    Name.LIFE: "expiration",
    Name.PURPOSE: "purpose",
    Name.TEAM: "team",
    Name.SYSTEM: "system",
    Name.ACCOUNTABLE: "accountable",
    Name.BACKUP: "backup",
    Name.REVIEW: "review_on",
    Name.PAIRS: "scopes",
    Name.NAME: "name",
    Name.EXPIRY: "expiration",
}
"""The field of the form beside which a refusal stands. The others stand at the top."""
_ENTER = {
    Name.PURPOSE: "must have a purpose. Enter it.",
    Name.TEAM: "must name a team. Enter it.",
    Name.SYSTEM: "must name the system that uses it. Enter it.",
    Name.ACCOUNTABLE: "must have an active accountable person. Enter their email.",
    Name.BACKUP: "must have a backup. Enter their email.",
    Name.VAULT: "must be saved in a vault of Cerby.",
}


@dataclass(frozen=True)
class Refusal:
    """``sentence`` names the rule, its value, and values that would pass."""

    rule: Name
    field: str
    sentence: str


def refusals(
    policy: Policy,
    facts: Facts,
    now: datetime,
    *,
    urgent: bool = False,
    mode: Mode = Mode.ENFORCE,
) -> list[Refusal]:
    """Return why the policy refuses a key with these facts, which somebody asks for now.

    ``urgent``: a freeze does not count, as after a leak. ``mode``: the mode of
    the rules that are compared.
    """
    tier, found = tier_in(policy, facts), []
    for name, rule in policy.rules.items():
        if rule.mode is not mode or name in {Name.APPROVALS, Name.USE} or (name is Name.FREEZE and urgent):
            continue
        if _is_broken(name, rule, facts, tier, now):
            sentence = _passing(name, rule, facts, tier, day_of(now))
            found.append(Refusal(name, FIELDS.get(name, ""), f"Policy, “{name.label}”: {sentence}"))
    return found


def _is_broken(name: Name, rule: Rule, facts: Facts, tier: Tier, now: datetime) -> bool:
    if name is Name.FREEZE:
        return any(is_frozen(entry, day_of(now)) for entry in rule.entries)
    if name is Name.EXPIRY:
        expires_at = facts.expires_at
        return bool(rule.entries) and not (
            expires_at is not None and any(is_within(entry, expires_at) for entry in rule.entries)
        )
    return bool(broken(name, rule, facts, tier, now))


def _passing(name: Name, rule: Rule, facts: Facts, tier: Tier, today: date) -> str:
    value = rule.value(tier, is_agent=facts.is_agent)
    whose = f"this key, of tier {tier.label.lower()}{' and of an agent' if facts.is_agent else ''},"
    if name in _ENTER:
        return f"{whose} {_ENTER[name]}"
    return _SENTENCES[name](whose, value, rule, facts, today)


_Sentence = Callable[[str, Value, Rule, Facts, date], str]


def _life(whose: str, value: Value, _: Rule, facts: Facts, __: date) -> str:
    assert value is not None
    until = facts.created_at + timedelta(days=value) if facts.created_at else None
    latest = f" Choose a time until {_day(until)}, {until:%H:%M} UTC." if until else ""
    return f"{whose} may be valid for at most {value} days in total.{latest}"


def _review(whose: str, value: Value, _: Rule, __: Facts, today: date) -> str:
    assert value is not None
    latest = _day(today + timedelta(days=value))
    return f"{whose} must have a review date within {value} days. Enter a day until {latest}."


def _keys(whose: str, value: Value, _: Rule, facts: Facts, __: date) -> str:
    return (
        f"the owner of {whose} may have at most {value} active keys, and would have {facts.owners_keys:,}. "
        "Delete one that nobody needs first."
    )


def _pairs(whose: str, _: Value, rule: Rule, facts: Facts, __: date) -> str:
    first, second = next(pair(entry) for entry in rule.entries if has_pair(entry, facts.scopes))
    return f"{whose} may not have both “{label(first)}” and “{label(second)}”. Remove one of them."


def _name(whose: str, _: Value, rule: Rule, __: Facts, ___: date) -> str:
    return f"the name of {whose} must be like {_any_of(rule)}."


def _expiry(whose: str, _: Value, rule: Rule, __: Facts, ___: date) -> str:
    return f"{whose} must expire within {_any_of(rule)}. Choose Custom and such a time."


def _freeze(_: str, __: Value, rule: Rule, ___: Facts, today: date) -> str:
    first, last = next(period(entry) for entry in rule.entries if is_frozen(entry, today))
    return (
        f"no key is made or given more scopes from {_day(first)} to {_day(last)}. "
        f"Try again from {_day(last + timedelta(days=1))}."
    )


_SENTENCES: dict[Name, _Sentence] = {
    Name.LIFE: _life,
    Name.REVIEW: _review,
    Name.KEYS: _keys,
    Name.PAIRS: _pairs,
    Name.NAME: _name,
    Name.EXPIRY: _expiry,
    Name.FREEZE: _freeze,
}


def _any_of(rule: Rule) -> str:
    return " or ".join(f"“{entry}”" for entry in rule.entries)


def _day(day: date) -> str:
    return f"{day.day} {day:%b %Y}"
