"""Define the rules of a policy and their values for each tier, and the policy that the portal comes with."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from keys.rules.policy.tiers import TIERS, Tier

Value = int | bool | None
"""Days, a number, or whether the rule applies. None, 0 and False: the rule asks nothing."""


class Mode(enum.StrEnum):
    """What the portal does about a rule: nothing, report the keys outside it, or also refuse new ones."""

    OFF = "off"
    REPORT = "report"
    ENFORCE = "enforce"

    @property
    def label(self) -> str:
        return self.value.capitalize()


class Shape(enum.Enum):
    """The kind of values that a rule has."""

    DAYS = enum.auto()
    NUMBER = enum.auto()
    NEEDED = enum.auto()
    ENTRIES = enum.auto()


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
    KEYS = "live-keys"
    PAIRS = "scope-pairs"
    NAME = "name-pattern"
    EXPIRY = "expiry-hours"
    FREEZE = "freeze"
    APPROVALS = "approvals"

    @property
    def label(self) -> str:
        return _FACTS[self][0]

    @property
    def shape(self) -> Shape:
        return _FACTS[self][1]

    @property
    def counts_days(self) -> bool:
        return self.shape is Shape.DAYS

    @property
    def is_for_requests(self) -> bool:
        """Return whether the rule is only about requests for keys, so that no active key is outside it."""
        return self in {Name.APPROVALS, Name.FREEZE, Name.EXPIRY}


_FACTS = {
    Name.LIFE: ("Longest life", Shape.DAYS),
    Name.PURPOSE: ("Purpose", Shape.NEEDED),
    Name.TEAM: ("Team", Shape.NEEDED),
    Name.SYSTEM: ("System", Shape.NEEDED),
    Name.ACCOUNTABLE: ("Accountable person", Shape.NEEDED),
    Name.BACKUP: ("Backup", Shape.NEEDED),
    Name.VAULT: ("Storage in a vault", Shape.NEEDED),
    Name.REVIEW: ("Review", Shape.DAYS),
    Name.USE: ("Use", Shape.DAYS),
    Name.KEYS: ("Active keys of an owner", Shape.NUMBER),
    Name.PAIRS: ("Forbidden pairs of scopes", Shape.ENTRIES),
    Name.NAME: ("Name", Shape.ENTRIES),
    Name.EXPIRY: ("Hours of expiry", Shape.ENTRIES),
    Name.FREEZE: ("Freeze", Shape.ENTRIES),
    Name.APPROVALS: ("Approvals", Shape.NUMBER),
}


@dataclass(frozen=True)
class Rule:
    """The values by tier, or the entries of a rule that has those instead.

    ``agent``: the value for the key of an agent, if it is stricter.
    """

    tiers: Mapping[Tier, Value] = field(default_factory=dict)
    agent: Value = None
    mode: Mode = Mode.REPORT
    entries: tuple[str, ...] = ()

    def values(self, tier: Tier, *, is_agent: bool) -> list[int]:
        """Return the values that apply to a key, without those that ask nothing."""
        values = [self.tiers.get(tier), self.agent if is_agent else None]
        return [value for value in values if value]

    def value(self, tier: Tier, *, is_agent: bool) -> Value:
        """Return the strictest value that applies: the fewest days, or True."""
        return min(self.values(tier, is_agent=is_agent), default=None)


@dataclass(frozen=True)
class Policy:
    rules: Mapping[Name, Rule]
    tiers: Mapping[str, Tier] = field(default_factory=lambda: TIERS)


def _rule(low: Value, medium: Value, high: Value, agent: Value = None, critical: Value = None) -> Rule:
    return Rule({Tier.LOW: low, Tier.MEDIUM: medium, Tier.HIGH: high, Tier.CRITICAL: critical or high}, agent)


DEFAULT = Policy(
    {
        Name.LIFE: _rule(366, 180, 90, 30),
        Name.PURPOSE: _rule(low=True, medium=True, high=True, agent=False),
        Name.TEAM: _rule(low=True, medium=True, high=True, agent=False),
        Name.SYSTEM: _rule(low=False, medium=True, high=True, agent=False),
        Name.ACCOUNTABLE: _rule(low=False, medium=False, high=True, agent=True),
        Name.BACKUP: _rule(low=False, medium=False, high=True, agent=False),
        Name.VAULT: _rule(low=False, medium=False, high=True, agent=True),
        Name.REVIEW: _rule(365, 180, 90, 30),
        Name.USE: _rule(90, 45, 45, 14),
        Name.KEYS: _rule(20, 20, 10, 5),
        Name.PAIRS: Rule(),
        Name.NAME: Rule(),
        Name.EXPIRY: Rule(),
        Name.FREEZE: Rule(),
        Name.APPROVALS: _rule(None, None, 1, agent=1, critical=2),
    }
)
"""The policy that the portal comes with. It only reports."""
