"""Define the rules of a policy and their values for each tier, and the policy that the portal comes with."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from keys.rules.policy.tiers import TIERS, Tier

Value = int | bool | None
"""Days, a number of people, or whether the rule applies. None, 0 and False: the rule asks nothing."""


class Mode(enum.StrEnum):
    """What the portal does about a rule: nothing, report the keys outside it, or also refuse new ones."""

    OFF = "off"
    REPORT = "report"
    ENFORCE = "enforce"

    @property
    def label(self) -> str:
        return self.value.capitalize()


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
    APPROVALS = "approvals"

    @property
    def label(self) -> str:
        return _LABELS[self]

    @property
    def counts_days(self) -> bool:
        return self in {Name.LIFE, Name.REVIEW, Name.USE}

    @property
    def is_for_requests(self) -> bool:
        """Return whether the rule is only about requests for keys, so that no active key is outside it."""
        return self is Name.APPROVALS


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
    Name.APPROVALS: "Approvals",
}


@dataclass(frozen=True)
class Rule:
    """The values by tier. ``agent``: the value for the key of an agent, if it is stricter."""

    tiers: Mapping[Tier, Value]
    agent: Value = None
    mode: Mode = Mode.REPORT

    def values(self, tier: Tier, *, is_agent: bool) -> list[int]:
        """Return the values that apply to a key, without those that ask nothing."""
        values = [self.tiers[tier], self.agent if is_agent else None]
        return [value for value in values if value]

    def value(self, tier: Tier, *, is_agent: bool) -> Value:
        """Return the strictest value that applies: the fewest days, or True."""
        values = self.values(tier, is_agent=is_agent)
        return min(values, default=None)


@dataclass(frozen=True)
class Policy:
    rules: Mapping[Name, Rule]
    tiers: Mapping[str, Tier] = field(default_factory=lambda: TIERS)


def _rule(low: Value, medium: Value, high: Value, agent: Value = None, critical: Value = None) -> Rule:
    return Rule({Tier.LOW: low, Tier.MEDIUM: medium, Tier.HIGH: high, Tier.CRITICAL: critical or high}, agent)


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
        Name.APPROVALS: _rule(0, 0, 1, agent=1, critical=2),
    }
)
"""The policy that the portal comes with. It only reports."""
