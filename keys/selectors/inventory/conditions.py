"""Build the inventory query: answer one filter from an index and check the others row by row.

A page of 50 rows costs the same at any size if an index returns its rows in the page's order, or if there
are few rows to sort. SQLite plans a query without its LIMIT and can't tell, so this module chooses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Exists, F, Func, OuterRef, Q, QuerySet
from django.db.models.lookups import Exact, In, IsNull, LessThanOrEqual

from keys.models import (
    ApiKey,
    Certificate,
    Finding,
    KeyScope,
    KeyTag,
    LeaverPlan,
    RotationTask,
    User,
)
from keys.rules.folded_text import fold, foldings
from keys.rules.lifecycle import Phase
from keys.selectors.counts import COUNT_LIMIT, has_at_most
from keys.selectors.inventory.keyset import Order, Unindexed, Window

Keys = QuerySet[ApiKey]

FEW = 1000
"""Sorting this many rows takes about a millisecond. If more match, a walk soon finds 50 of them."""

MANY = 3_000
"""The limit if no index has the page's order. If more match, a walk soon finds 50, even among a million."""

_CREATED = (F("created_at"), F("id"))
_EXPIRES = (F("expires_at"), F("id"))


@dataclass(frozen=True)
class Walk:
    """Rows that can be read from an index in ``order``, which is the reverse of the sort if ``opposite``.

    ``among_others``: the index also holds other rows, which the walk must skip. That is slow for few rows.
    """

    rows: Callable[[Keys], Keys]
    order: Order
    opposite: bool = False
    among_others: bool = False


@dataclass(frozen=True)
class Condition:
    """One filter that is in use.

    ``found`` lets the database use an index; ``checked`` is equivalent, but keeps it from using one.
    ``walks`` maps the name of a sort to the index walk that serves it. ``counted``: rows to count instead of
    the keys to learn whether few match, if that is cheaper. ``few``: the limit for this filter, else ``FEW``.
    ``parts``: the conditions of which a key must meet one, if there are several (``any_of``).
    """

    found: Q
    checked: Q
    walks: Mapping[str, Walk] = field(default_factory=dict)
    counted: QuerySet[Any] | None = None
    few: int | None = None
    parts: Sequence[Condition] = ()

    def matches_few(self, keys: Keys) -> bool:
        if self.parts:
            return all(part.matches_few(keys) for part in self.parts)
        rows = keys.filter(self.found) if self.counted is None else self.counted
        return has_at_most(rows, FEW if self.few is None else self.few)


def narrow(
    keys: Keys, conditions: Sequence[Condition], sort: str, columns: tuple[F | Func, ...]
) -> tuple[Keys, Order]:
    """Return the ``keys`` that meet all ``conditions``, and the order to read them in.

    ``sort`` is the name of the order, with a minus in front if it descends; ``columns`` are its columns. If
    a condition matches few keys, they are found by its index and sorted. Otherwise, if a condition has an
    index in this order, that index is walked. Otherwise the index of the order is walked. The remaining
    conditions are checked row by row.
    """
    name, descending = sort.lstrip("-"), sort.startswith("-")
    lead = next((condition for condition in conditions if name in condition.walks), None)
    if conditions and (lead is None or len(conditions) > 1 or lead.walks[name].among_others):
        few = next((condition for condition in conditions if condition.matches_few(keys)), None)
        if few is not None:
            found = _checked(keys.filter(few.found), conditions, few)
            return found, Order(tuple(Unindexed(column) for column in columns), descending)
    if lead is None:
        return _checked(keys, conditions, None), Order(columns, descending)
    walk = lead.walks[name]
    return _checked(walk.rows(keys), conditions, lead), walk.order.directed(
        descending=descending != walk.opposite
    )


def alternatives(
    keys: Keys, conditions: Sequence[Condition], sort: str, columns: tuple[F | Func, ...]
) -> list[tuple[Keys, Order]]:
    """Return queries that together find the keys which meet all ``conditions``, each of them fast.

    That is one query for each part of an ``any_of`` condition that has an index in this order, if nothing
    faster answers the whole. Otherwise the list is empty: use the query of ``narrow``. If few keys meet the
    whole condition, that is still faster, because it reads only the keys of one page.
    """
    name = sort.lstrip("-")
    several = next((condition for condition in conditions if condition.parts), None)
    if several is None or any(name in condition.walks for condition in conditions):
        return []
    if not any(name in part.walks for part in several.parts):
        return []
    others = [condition for condition in conditions if condition is not several]
    if any(condition.matches_few(keys) for condition in others):
        return []
    return [narrow(keys, [part, *others], sort, columns) for part in several.parts]


def checked(
    keys: Keys, conditions: Sequence[Condition], sort: str, columns: tuple[F | Func, ...]
) -> tuple[Keys, Order]:
    """Return the ``keys`` that meet all ``conditions``, checked row by row, as ``alternatives`` need them."""
    return _checked(keys, conditions, None), Order(columns, sort.startswith("-"))


def _checked(keys: Keys, conditions: Sequence[Condition], lead: Condition | None) -> Keys:
    return keys.filter(*(condition.checked for condition in conditions if condition is not lead))


def any_of(parts: Sequence[Condition]) -> Condition:
    """Return the condition for keys that meet at least one of ``parts``."""
    if len(parts) == 1:
        return parts[0]
    matching = [ApiKey.objects.filter(part.found).order_by().values("pk") for part in parts]
    return Condition(
        found=Q(pk__in=matching[0].union(*matching[1:])),
        checked=reduce(or_, (part.checked for part in parts)),
        parts=parts,
    )


def in_phase(phase: Phase, expires: Window = Window()) -> Condition:  # noqa: B008 - frozen
    """Return the condition for keys in ``phase`` that expire within a window."""
    found = expires.conditions(F("expires_at"), F("expires_at"))
    checked = expires.conditions(Unindexed(F("expires_at")), Unindexed(F("expires_at")))
    by_expiry = Walk(lambda keys: keys.filter(phase=phase), Order(_EXPIRES, window=expires))
    return Condition(
        found=Q(*found, phase=phase),
        checked=Q(Exact(Unindexed(F("phase")), phase), *checked),
        walks={
            "created": Walk(lambda keys: keys.filter(*checked, phase=phase), Order(_CREATED)),
            "expires": by_expiry,
            "status": by_expiry,
        },
    )


def made(window: Window) -> Condition:
    """Return the condition for keys that were made within ``window``. A request alone makes no key."""
    is_made = Q(In(Unindexed(F("phase")), [Phase.LIVE, Phase.REMOVED]))
    column, unindexed = F("created_at"), Unindexed(F("created_at"))
    return Condition(
        found=Q(*window.conditions(column, column)) & is_made,
        checked=Q(*window.conditions(unindexed, unindexed)) & is_made,
        walks={"created": Walk(lambda keys: keys.filter(is_made), Order(_CREATED, window=window))},
    )


def removed(window: Window) -> Condition:
    """Return the condition for keys that were removed within ``window``."""
    column, unindexed = F("removed_at"), Unindexed(F("removed_at"))
    return Condition(
        found=Q(*window.conditions(column, column), removed_at__isnull=False),
        checked=Q(*window.conditions(unindexed, unindexed)),
        few=MANY,
    )


def with_pepper(pepper: str) -> Condition:
    """Return the condition for keys whose fingerprint was made with ``pepper``."""
    return Condition(
        found=Q(pepper_id=pepper, fingerprint__isnull=False),
        checked=Q(Exact(Unindexed(F("pepper_id")), pepper)),
        few=MANY,
    )


def of_role(role: int) -> Condition:
    """Return the condition for keys whose owner has ``role``."""
    people = User.objects.filter(role=role)
    few = list(people.values_list("pk", flat=True)[: FEW + 1])
    return Condition(
        found=Q(owner_id__in=few),
        checked=Q(owner_id__in=few) if len(few) <= FEW else Q(Exists(people.filter(pk=OuterRef("owner_id")))),
        few=MANY if len(few) <= FEW else -1,
    )


def marked(column: str) -> Condition:
    """Return the condition for keys with a value in ``column``, with a partial index by creation."""
    found = Q((f"{column}__isnull", False))
    return Condition(
        found=found,
        checked=Q(IsNull(Unindexed(F(column)), False)),
        walks={"created": Walk(lambda keys: keys.filter(found), Order(_CREATED))},
    )


def marked_active(column: str, now: datetime) -> Condition:
    """Return the condition for active keys with a value in ``column``, with a partial index by expiry."""
    active = in_phase(Phase.LIVE, Window(low=now))
    found = Q((f"{column}__isnull", False))
    by_expiry = active.walks["expires"]
    walk = Walk(lambda keys: by_expiry.rows(keys).filter(found), by_expiry.order)
    return Condition(
        found=active.found & found,
        checked=active.checked & Q(IsNull(Unindexed(F(column)), False)),
        walks={"expires": walk, "status": walk},
    )


def unused_since(moment: datetime, now: datetime) -> Condition:
    """Return the condition for active keys not used since ``moment``, or never used and created before.

    A key of which nobody knows whether it was used does not meet it.
    """
    active = in_phase(Phase.LIVE, Window(low=now))
    used, created = F("last_used_order"), F("created_at")
    old = Q(LessThanOrEqual(Unindexed(created), moment)) & (
        Q(last_used_at__isnull=False) | Q(IsNull(Unindexed(F("cerby_id")), False))
    )
    return Condition(
        found=Q(LessThanOrEqual(used, moment), phase=Phase.LIVE) & old & active.checked,
        checked=Q(LessThanOrEqual(Unindexed(used), moment)) & old & active.checked,
        walks={
            "last-used": Walk(
                lambda keys: keys.filter(active.checked, old, phase=Phase.LIVE),
                Order((used, F("id")), window=Window(high=moment)),
            )
        },
    )


def equal(column: str, value: Any) -> Condition:
    """Return the condition for keys with this ``value``, if an index has ``column`` and then the creation."""
    found = Q((column, value))
    return Condition(
        found=found,
        checked=Q(Exact(Unindexed(F(column)), value)),
        walks={"created": Walk(lambda keys: keys.filter(found), Order(_CREATED))},
    )


def review_due(today: date, now: datetime) -> Condition:
    """Return the condition for active keys whose review date is ``today`` or earlier."""
    active = in_phase(Phase.LIVE, Window(low=now))
    day, given = F("review_order"), Q(review_on__isnull=False)
    return Condition(
        found=Q(LessThanOrEqual(day, today), phase=Phase.LIVE) & given & active.checked,
        checked=Q(LessThanOrEqual(Unindexed(day), today)) & active.checked,
        walks={
            "review": Walk(
                lambda keys: keys.filter(active.checked, given, phase=Phase.LIVE),
                Order((day, F("id")), window=Window(high=today)),
            )
        },
    )


def never_used(now: datetime) -> Condition:
    """Return the condition for active keys that were never used, as Cerby says."""
    active = in_phase(Phase.LIVE, Window(low=now))
    by_creation = active.walks["created"]
    never = Q(last_used_at__isnull=True) & Q(IsNull(Unindexed(F("cerby_id")), False))
    return Condition(
        found=active.found & never,
        checked=active.checked & never,
        walks={"created": Walk(lambda keys: by_creation.rows(keys).filter(never), by_creation.order)},
    )


def waiting(now: datetime) -> Condition:
    """Return the condition for keys that the portal must resolve or delete now."""
    return Condition(
        found=Q(due_at__lte=now), checked=Q(LessThanOrEqual(Unindexed(F("due_at")), now)), few=MANY
    )


def not_seen(since: datetime, now: datetime) -> Condition:
    """Return the condition for active keys that nobody has confirmed by hand, or entered, after ``since``.

    It asks only the keys that expire first, as the dashboard's count does: no index has these keys together.
    """
    active = ApiKey.objects.filter(listed__isnull=False, phase=Phase.LIVE, expires_at__gt=now)
    first = active.order_by("expires_at", "id").values("pk")[: COUNT_LIMIT + 1]
    unseen = Q(seen_at__lt=since) | Q(seen_at=None, created_at__lt=since)
    return Condition(found=Q(pk__in=first) & unseen, checked=Q(pk__in=first) & unseen, few=MANY)


def with_open_plan(now: datetime, for_long: timedelta) -> Condition:
    """Return the condition for active keys of leavers about which nobody has decided ``for_long``."""
    return _active_with(
        LeaverPlan.objects.filter(open_since__isnull=False, open_since__lte=now - for_long), now
    )


def asked_to_rotate(now: datetime, due_before: date | None = None) -> Condition:
    """Return the condition for active keys whose rotation was asked for, by a day before ``due_before``."""
    tasks = RotationTask.objects.filter(due_on__lt=due_before) if due_before else RotationTask.objects.all()
    return _active_with(tasks, now)


def outside_policy(now: datetime) -> Condition:
    """Return the condition for active keys with a finding: outside a rule of the policy, and not excepted."""
    return _active_with(Finding.objects.all(), now)


def not_certified(now: datetime) -> Condition:
    """Return the condition for active keys that were reviewed, and are not certified (any more)."""
    return _active_with(Certificate.objects.filter(voided_at__isnull=False), now)


def _active_with(rows: QuerySet[Any], now: datetime) -> Condition:
    """Return the condition for active keys with one of ``rows``, of which there are few."""
    active = in_phase(Phase.LIVE, Window(low=now))
    return Condition(
        found=Q(pk__in=rows.values("key")) & active.checked,
        checked=Q(Exists(rows.filter(key=OuterRef("pk")))) & active.checked,
        counted=rows,
        few=MANY,
    )


def with_scope(scope: str) -> Condition:
    return _in_table(KeyScope.objects.filter(scope=scope), "held", scope=scope)


def stored_tag(text: str) -> str:
    """Return the tag that ``text`` means: folded, unless keys have it as it was folded earlier."""
    folded = fold(text)
    earlier = foldings(text) - {folded}
    known = KeyTag.objects.filter(tag__in=earlier).values_list("tag", flat=True).first() if earlier else None
    return known or folded


def with_tag(tag: str) -> Condition:
    return _in_table(KeyTag.objects.filter(tag=tag), "tagged", tag=tag)


def _in_table(rows: QuerySet[Any], relation: str, **value: str) -> Condition:
    """Return the condition for keys with one of ``rows``, to which ``relation`` leads."""
    matching = {f"{relation}__{name}": each for name, each in value.items()}

    def by_creation(keys: Keys) -> Keys:
        at, key = F(f"{relation}__created_at"), F(f"{relation}__key")
        return keys.filter(**matching).alias(held_at=at, held_key=key)

    return Condition(
        found=Q(pk__in=rows.values("key")),
        checked=Q(Exists(rows.filter(key=OuterRef("pk")))),
        walks={"created": Walk(by_creation, Order((F("held_at"), F("held_key")), own_columns=_CREATED))},
        counted=rows,
    )


ANY_WRITE = "write"
"""Triggers give this scope to each key that can change or delete something (migration 0017)."""


def user_id_of(email: str) -> int:
    """Return the id of the person with ``email``, or 0 if there is none.

    It is a separate query because PostgreSQL plans by the number of keys only for a literal owner id.
    """
    return User.objects.filter(email=email.lower()).values_list("pk", flat=True).first() or 0


def of_owner(owner_id: int) -> Condition:
    return equal("owner_id", owner_id)
