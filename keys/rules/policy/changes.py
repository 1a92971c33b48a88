"""Compare two policies: which rules become stricter, which ones looser, and which ones refuse from now on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from keys.rules.policy.document import Mode, Name, Policy, Rule, Shape, Value
from keys.rules.policy.tiers import Tier

_STRICTNESS = (Mode.OFF, Mode.REPORT, Mode.ENFORCE)


@dataclass(frozen=True)
class Change:
    """One rule, or the tiers of the scopes, that differs. ``rule`` is None for the tiers.

    ``enforces``: requests are refused in another way than before. ``loosens``: something that was refused or
    reported no longer is.
    """

    rule: Name | None
    enforces: bool
    loosens: bool

    @property
    def needs_approval(self) -> bool:
        return self.enforces or self.loosens

    @property
    def label(self) -> str:
        return self.rule.label if self.rule else "Tiers of the scopes"

    @property
    def effect(self) -> str:
        effects = [word for word, is_so in (("enforces", self.enforces), ("loosens", self.loosens)) if is_so]
        return " and ".join(effects) or "tightens"


def compare_policies(before: Policy, after: Policy) -> list[Change]:
    """Return what differs, in the order of the rules."""
    return [*_rules(before, after), *_tiers(before, after)]


def needs_approval(found: list[Change]) -> bool:
    """Return whether a second person must approve the changes: they enforce or loosen a rule."""
    return any(change.needs_approval for change in found)


def _rules(before: Policy, after: Policy) -> Iterator[Change]:
    for name, new in after.rules.items():
        old = before.rules[name]
        if old != new:
            yield Change(name, enforces=Mode.ENFORCE is new.mode, loosens=_is_looser(name, old, new))


def _tiers(before: Policy, after: Policy) -> Iterator[Change]:
    if dict(before.tiers) != dict(after.tiers):
        lower = any(tier < before.tiers[scope] for scope, tier in after.tiers.items())
        enforced = any(rule.mode is Mode.ENFORCE for rule in after.rules.values())
        yield Change(None, enforces=enforced, loosens=lower)


def _is_looser(name: Name, old: Rule, new: Rule) -> bool:
    if old.mode is Mode.OFF:
        return False
    if _STRICTNESS.index(new.mode) < _STRICTNESS.index(old.mode):
        return True
    if name.shape is Shape.ENTRIES:
        return _allows_more(name, set(old.entries), set(new.entries))
    pairs = [(old.tiers.get(tier), new.tiers.get(tier)) for tier in Tier]
    return any(_is_higher(name, was, now) for was, now in [*pairs, (old.agent, new.agent)])


def _is_higher(name: Name, was: Value, now: Value) -> bool:
    """Return whether the value ``now`` allows more than ``was``."""
    if not was:
        return False
    if not now:
        return True
    return int(now) < int(was) if name is Name.APPROVALS else int(now) > int(was)


def _allows_more(name: Name, old: set[str], new: set[str]) -> bool:
    """Return whether another list allows more. An empty list asks nothing."""
    if name in {Name.NAME, Name.EXPIRY}:  # the entries are allowed
        return bool(old) and not (new and new <= old)
    return not old <= new  # the entries are forbidden
