"""Put all active keys into groups that the changed rules of a policy cannot tell apart, in one pass.

``KeyFacts`` has all values that rules ask for. The database computes a number for
each key: its tier, and on which side of each limit of the rules its values lie. It counts the keys of each
number. Then the rules themselves (keys.rules.policy.violations) look at one example of each group.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property, reduce
from operator import add, or_
from typing import Any

from django.conf import settings
from django.db.models import (
    BigIntegerField,
    Case,
    CharField,
    Count,
    Expression,
    F,
    Func,
    Q,
    QuerySet,
    Sum,
    Value,
    When,
)
from django.db.models.functions import Cast
from django.db.models.lookups import Exact, GreaterThan

from keys.models import KeyFacts, User
from keys.models import policy_columns as bits
from keys.rules.lifecycle import EXPIRY_NOT_KNOWN
from keys.rules.permissions import HIGHEST, Role
from keys.rules.policy.document import Mode, Name, Policy, Shape
from keys.rules.policy.entries import pair
from keys.rules.policy.facts import Facts
from keys.rules.policy.tiers import Tier, tier_of
from keys.rules.policy.violations import broken, day_of
from keys.rules.scopes import reach

A_DAY = 86_400
_LACKS = {
    Name.PURPOSE: bits.NO_PURPOSE,
    Name.TEAM: bits.NO_TEAM,
    Name.SYSTEM: bits.NO_SYSTEM,
    Name.ACCOUNTABLE: bits.IS_ORPHAN,
    Name.BACKUP: bits.NO_BACKUP,
    Name.VAULT: bits.NO_VAULT,
}
MOST_OWNERS = 10_000
"""Owners that a query names. If there are more, the database counts their keys anew for each limit."""
_SIDES = 4
"""Bits for the number of limits below a value: two rules have at most ten."""
_SOME_TIME = datetime(2000, 1, 1, tzinfo=UTC)


def judged(now: datetime) -> QuerySet[KeyFacts]:
    """Return the facts about the active keys, which the policy is about."""
    return KeyFacts.objects.filter(expires_at__gt=now).order_by()


@dataclass
class Groups:
    """The groups for the rules ``changed``, which differ between two policies."""

    before: Policy
    after: Policy
    changed: list[Name]
    now: datetime
    _parts: dict[str, tuple[int, int]] = field(default_factory=dict)
    """The first bit and the number of bits of each part of a group's number."""

    def __post_init__(self) -> None:
        self.changed = [name for name in self.changed if not name.is_for_requests]

    @cached_property
    def counted(self) -> list[tuple[int, int, int, int]]:
        """Return each group with the number of its keys and two sums, which show that keys were exchanged.

        Every key is in one group.
        """
        if not self.changed:
            return []
        rows = judged(self.now).annotate(group=self._number).values_list("group").order_by()
        return list(rows.annotate(count=Count("*"), owners=Sum("owner"), lives=Sum("life")))

    @cached_property
    def newly(self) -> list[int]:
        """Return the groups whose keys would be outside a rule that they meet today."""
        return [group for group, *_ in self.counted if operator.sub(*reversed(self.outside(group)))]

    def newly_outside(self) -> QuerySet[KeyFacts, Any]:
        """Return the ids of the keys that would be outside a rule that they meet today, by owner."""
        if not self.newly:
            return KeyFacts.objects.none().values_list("key", flat=True)
        rows = judged(self.now).annotate(group=self._number).filter(group__in=self.newly)
        return rows.order_by("owner", "key").values_list("key", flat=True)

    def outside(self, group: int) -> tuple[set[Name], set[Name]]:
        """Return the changed rules that the keys of a group do not meet, before and after."""
        return self._outside(group, self.before, "before"), self._outside(group, self.after, "after")

    def _outside(self, group: int, policy: Policy, when: str) -> set[Name]:
        facts, tier = self._facts(group), self._tier(group, when)
        found = set()
        for name in self.changed:
            rule = policy.rules[name]
            if rule.mode is Mode.OFF:
                continue
            if name.shape is Shape.ENTRIES:
                is_outside = bool(self._part(group, f"{name}_{when}"))
            else:
                is_outside = bool(broken(name, rule, facts, tier, self.now))
            if is_outside:
                found.add(name)
        return found

    # What the database computes

    @cached_property
    def _number(self) -> Expression:
        terms, first = [], 0
        for name, (expression, width) in self._expressions().items():
            self._parts[name] = (first, width)
            terms.append(expression * Cast(Value(1 << first), BigIntegerField()))
            first += width
        zero: Expression = Value(0, output_field=BigIntegerField())
        return reduce(add, terms, zero)

    def _expressions(self) -> dict[str, tuple[Any, int]]:
        found: dict[str, tuple[Any, int]] = {}
        if any(name.shape is not Shape.ENTRIES for name in self.changed):
            found["tier_before"] = (_tier(self.before), 2)
            if dict(self.before.tiers) != dict(self.after.tiers):
                found["tier_after"] = (_tier(self.after), 2)
            high = User.objects.filter(role__in=[role.value for role in HIGHEST]).values("pk")
            found["high"] = (_one_if(Q(owner__in=high)), 1)
            found["agent"] = (_one_if(_has(bits.IS_AGENT)), 1)
        for name in self.changed:
            found |= self._of_rule(name)
        return found

    def _of_rule(self, name: Name) -> dict[str, tuple[Any, int]]:
        if name in _LACKS:
            return {name: (_one_if(_has(_LACKS[name])), 1)}
        if name.shape is Shape.ENTRIES:
            policies = {"before": self.before, "after": self.after}
            outside = _outside_pairs if name is Name.PAIRS else _unlike
            return {
                f"{name}_{when}": (outside(policy.rules[name].entries), 1)
                for when, policy in policies.items()
            }
        sides = {Name.LIFE: self._life, Name.REVIEW: self._review, Name.USE: self._use, Name.KEYS: self._keys}
        found = {name.value: (sides[name](self._limits(name)), _SIDES)}
        if name is Name.LIFE:
            found["endless"] = (_one_if(Q(expires_at=EXPIRY_NOT_KNOWN)), 1)
        return found

    def _limits(self, name: Name) -> list[int]:
        """Return the values of the rule in both policies, in order."""
        rules = (self.before.rules[name], self.after.rules[name])
        return sorted({int(value) for rule in rules for value in (*rule.tiers.values(), rule.agent) if value})

    def _life(self, limits: list[int]) -> Any:
        known = Q(_has(bits.CREATED_KNOWN))
        return _sum(_one_if(known & Q(life__gt=days * A_DAY)) for days in limits)

    def _review(self, limits: list[int]) -> Any:
        today = day_of(self.now)
        return _sum(
            _one_if(Q(review_on__isnull=True) | Q(review_on__gt=today + timedelta(days=days)))
            for days in limits
        )

    def _use(self, limits: list[int]) -> Any:
        known = (
            bits.USE_READ if settings.CERBY_ISSUE_MODE == "assisted" else bits.USE_READ | bits.HAS_CERBY_ID
        )
        was_used = Q(last_used_at__isnull=False)
        never = ~was_used & Q(_has(bits.CREATED_KNOWN))

        def unused(days: int) -> Q:
            since = self.now - timedelta(days=days)
            late = (was_used & Q(last_used_at__lt=since)) | (never & Q(created_at__lt=since))
            return Q(_has(known)) & late

        return _sum(_one_if(unused(days)) for days in limits)

    def _keys(self, limits: list[int]) -> Any:
        """Return how many limits the number of the owner's keys exceeds. If owners are few, count once."""
        if not limits:
            return _sum([])
        counted = judged(self.now).values("owner").annotate(count=Count("*")).filter(count__gt=limits[0])
        many = dict(counted.values_list("owner", "count")[: MOST_OWNERS + 1])
        if len(many) * len(limits) <= MOST_OWNERS:
            return _sum(
                _one_if(Q(owner__in=[owner for owner, count in many.items() if count > most]))
                for most in limits
                if any(count > most for count in many.values())
            )

        def owners(most: int) -> Q:
            counted = judged(self.now).values("owner").annotate(count=Count("*")).filter(count__gt=most)
            return Q(owner__in=counted.values("owner"))

        return _sum(_one_if(owners(most)) for most in limits)

    # What a group's number means

    def _part(self, group: int, name: str) -> int:
        first, width = self._parts[name]
        return (group >> first) & ((1 << width) - 1)

    def _tier(self, group: int, when: str) -> Tier:
        if "tier_before" not in self._parts:
            return Tier.LOW
        tier = self._part(group, f"tier_{when}" if f"tier_{when}" in self._parts else "tier_before")
        return Tier(tier + self._part(group, "high"))

    def _above(self, group: int, name: Name) -> int | None:
        """Return the highest limit that the value exceeds, or None if it exceeds none."""
        if name.value not in self._parts:
            return None
        number = self._part(group, name.value)
        return self._limits(name)[number - 1] if number else None

    def _facts(self, group: int) -> Facts:
        """Return the facts about an example of the keys in the group."""
        has = {name: name.value in self._parts and bool(self._part(group, name.value)) for name in _LACKS}
        life, review = self._above(group, Name.LIFE), self._above(group, Name.REVIEW)
        unused, keys = self._above(group, Name.USE), self._above(group, Name.KEYS)
        endless = "endless" in self._parts and bool(self._part(group, "endless"))
        return Facts(
            scopes=(),
            owner_role=Role.USER,
            is_agent="agent" in self._parts and bool(self._part(group, "agent")),
            purpose="" if has[Name.PURPOSE] else "P",
            team="" if has[Name.TEAM] else "T",
            system="" if has[Name.SYSTEM] else "S",
            is_orphan=has[Name.ACCOUNTABLE],
            has_backup=not has[Name.BACKUP],
            review_on=day_of(self.now) + timedelta(days=0 if review is None else review + 1),
            created_at=_SOME_TIME,
            expires_at=None if endless else _SOME_TIME + timedelta(days=life or 0, seconds=1 if life else 0),
            used_at=self.now - timedelta(days=unused or 0, seconds=1 if unused else 0),
            stored_in="" if has[Name.VAULT] else None,
            owners_keys=0 if keys is None else keys + 1,
        )


def _has(mask: int) -> GreaterThan:
    """Return whether one of the bits is set."""
    return GreaterThan(F("bits").bitand(mask), 0)


def _one_if(condition: Any) -> Case:
    one, zero = (Value(number, output_field=BigIntegerField()) for number in (1, 0))
    return Case(When(Q(condition), then=one), default=zero, output_field=BigIntegerField())


def _sum(numbers: Iterable[Any]) -> Any:
    return reduce(add, numbers, Value(0, output_field=BigIntegerField()))


def _tier(policy: Policy) -> Case:
    """Return the tier of a key's scopes, without that of its owner."""
    masks = dict.fromkeys(Tier, 0)
    for scope, bit in bits.SCOPE_BITS.items():
        masks[tier_of([scope], Role.USER, policy.tiers)] |= bit
    has_none = Exact(F("bits").bitand(bits.ALL_SCOPES), 0)
    values = {tier: Value(tier.value, output_field=BigIntegerField()) for tier in Tier}
    return Case(
        When(Q(_has(masks[Tier.HIGH] | bits.UNKNOWN_SCOPE)) | Q(has_none), then=values[Tier.HIGH]),
        When(Q(_has(masks[Tier.MEDIUM])), then=values[Tier.MEDIUM]),
        default=values[Tier.LOW],
        output_field=BigIntegerField(),
    )


def _outside_pairs(entries: tuple[str, ...]) -> Any:
    def has(scope: str) -> Q:
        return Q(_has(sum(bit for other, bit in bits.SCOPE_BITS.items() if scope in reach([other]))))

    found = [has(first) & has(second) for first, second in map(pair, entries)]
    return _one_if(reduce(or_, found)) if found else _sum([])


class _Like(Func):
    """Whether a name is like a pattern of the policy, in which only * and ? have a meaning."""

    arity = 2
    output_field = BigIntegerField()

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(compiler, connection, template="(%(expressions)s)", arg_joiner=" GLOB ", **extra)

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        name, pattern = self.get_source_expressions()
        like = pattern.value.replace("_", r"\_").replace("*", "%").replace("?", "_")
        changed = Func(name, Value(like, output_field=CharField()), output_field=self.output_field)
        template = "(CASE WHEN %(expressions)s THEN 1 ELSE 0 END)"
        return changed.as_sql(compiler, connection, template=template, arg_joiner=" LIKE ", **extra)


def _unlike(patterns: tuple[str, ...]) -> Any:
    if not patterns:
        return _sum([])
    likes = (Q(Exact(_Like(F("name"), Value(each, output_field=CharField())), 0)) for each in patterns)
    return _one_if(reduce(lambda one, other: one & other, likes))
