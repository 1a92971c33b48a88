"""Define the rules of a policy and their values for each tier, and the policy that the portal comes with."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from keys.rules.policy.tiers import TIERS, Tier

Value = int | bool | None
"""Days, or whether the rule applies. None and False: the rule asks nothing of keys of this tier."""


class Name(enum.StrEnum):
    """The rules. The database stores these names."""

    LIFE = "longest-life"
    PURPOSE = "purpose"
    TEAM = "team"
    SYSTEM = "system"
    ACCOUNTABLE = "accountable"
    BACKUP = "backup"
    VAULT = "vault"
    REVIEW = "review"
    USE = "use"

    @property
    def label(self) -> str:
        return _LABELS[self]

    @property
    def counts_days(self) -> bool:
        return self in {Name.LIFE, Name.REVIEW, Name.USE}


_LABELS = {
    Name.LIFE: "Longest life",
    Name.PURPOSE: "Purpose",
    Name.TEAM: "Team",
    Name.SYSTEM: "System",
    Name.ACCOUNTABLE: "Accountable person",
    Name.BACKUP: "Backup",
    Name.VAULT: "Storage in a vault",
    Name.REVIEW: "Review",
    Name.USE: "Use",
}


@dataclass(frozen=True)
class Rule:
    """The values by tier. ``agent``: the value for the key of an agent, if it is stricter."""

    tiers: Mapping[Tier, Value]
    agent: Value = None

    def value(self, tier: Tier, *, is_agent: bool) -> Value:
        """Return the strictest value that applies: the fewest days, or True."""
        values = [self.tiers[tier], self.agent if is_agent else None]
        set_values = [value for value in values if value is not None]
        if any(value is True for value in set_values):
            return True
        return min(set_values, default=None)


@dataclass(frozen=True)
class Policy:
    rules: Mapping[Name, Rule]
    tiers: Mapping[str, Tier] = field(default_factory=lambda: TIERS)


def _rule(low: Value, medium: Value, high: Value, agent: Value = None) -> Rule:
    return Rule({Tier.LOW: low, Tier.MEDIUM: medium, Tier.HIGH: high, Tier.CRITICAL: high}, agent)


DEFAULT = Policy(
    {
        Name.LIFE: _rule(366, 180, 90, 30),
        Name.PURPOSE: _rule(low=True, medium=True, high=True),
        Name.TEAM: _rule(low=True, medium=True, high=True),
        Name.SYSTEM: _rule(low=False, medium=True, high=True),
        Name.ACCOUNTABLE: _rule(low=False, medium=False, high=True, agent=True),
        Name.BACKUP: _rule(low=False, medium=False, high=True),
        Name.VAULT: _rule(low=False, medium=False, high=True, agent=True),
        Name.REVIEW: _rule(365, 180, 90, 30),
        Name.USE: _rule(90, 45, 45, 14),
    }
)
"""The policy that the portal comes with. It only reports."""
