"""The inventory's filters, and which of them leads: finds the rows that the others are then asked of.

A page of 50 rows costs the same at any size when its rows come out of an index in the page's order, or
when there are few of them to sort. SQLite cannot tell (it plans without the LIMIT), so it is told here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Exists, F, Func, OuterRef, Q, QuerySet
from django.db.models.lookups import Exact, IsNull, LessThanOrEqual

from keys.models import ApiKey, KeyScope, User
from keys.rules.lifecycle import Phase
from keys.selectors.counts import has_at_most
from keys.selectors.inventory.keyset import Order, Unindexed, Window

Keys = QuerySet[ApiKey]

FEW = 1000
"""So many rows are sorted in about a millisecond; of a filter that has more, 50 are soon met on a walk."""

_CREATED = (F("created_at"), F("id"))
_EXPIRES = (F("expires_at"), F("id"))


@dataclass(frozen=True)
class Walk:
    """Rows that an index holds together, and the order that it holds them in, or the opposite of it.

    ``among_others``: it holds them among others, which the walk has to pass. That is not for few.
    """

    rows: Callable[[Keys], Keys]
    order: Order
    opposite: bool = False
    among_others: bool = False


@dataclass(frozen=True)
class Condition:
    """One filter in use.

    ``found`` may be answered from an index; ``checked`` means the same and is asked row by row. ``walks``
    has the index that serves a sort, by the sort's name. ``counted`` is what to count to know whether
    there are few, where that is cheaper than counting keys; ``few``: and up to which number there are.
    """

    found: Q
    checked: Q
    walks: Mapping[str, Walk] = field(default_factory=dict)
    counted: QuerySet[Any] | None = None
    few: int | None = None

    def holds_few(self, keys: Keys) -> bool:
        rows = keys.filter(self.found) if self.counted is None else self.counted
        return has_at_most(rows, FEW if self.few is None else self.few)


def narrow(
    keys: Keys, conditions: Sequence[Condition], sort: str, columns: tuple[F | Func, ...]
) -> tuple[Keys, Order]:
    """Those of ``keys`` that meet all ``conditions``, and how to walk them in the order of ``columns``.

    ``sort`` is the order's name, with a minus in front where it descends. A condition that holds few
    leads, and these are sorted; else one that an index serves in this very order; else the order's own
    index is walked, and all conditions are checked.
    """
    name, descending = sort.lstrip("-"), sort.startswith("-")
    lead = next((condition for condition in conditions if name in condition.walks), None)
    if conditions and (lead is None or len(conditions) > 1 or lead.walks[name].among_others):
        few = next((condition for condition in conditions if condition.holds_few(keys)), None)
        if few is not None:
            found = _checked(keys.filter(few.found), conditions, few)
            return found, Order(tuple(Unindexed(column) for column in columns), descending)
    if lead is None:
        return _checked(keys, conditions, None), Order(columns, descending)
    walk = lead.walks[name]
    return _checked(walk.rows(keys), conditions, lead), walk.order.turned(
        descending=descending != walk.opposite
    )


def _checked(keys: Keys, conditions: Sequence[Condition], lead: Condition | None) -> Keys:
    return keys.filter(*(condition.checked for condition in conditions if condition is not lead))


def in_phase(phase: Phase, expires: Window = Window()) -> Condition:  # noqa: B008 - frozen
    """Keys of a phase that expire within a window."""
    found = expires.around(F("expires_at"), F("expires_at"))
    checked = expires.around(Unindexed(F("expires_at")), Unindexed(F("expires_at")))
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


def marked(column: str) -> Condition:
    """Keys that have something in ``column``, which a partial index holds alone, by creation."""
    found = Q((f"{column}__isnull", False))
    return Condition(
        found=found,
        checked=Q(IsNull(Unindexed(F(column)), False)),
        walks={"created": Walk(lambda keys: keys.filter(found), Order(_CREATED))},
    )


def marked_active(column: str, now: datetime) -> Condition:
    """Active keys that have something in ``column``, which a partial index holds alone, by expiry."""
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
    """Active keys whose last sign of life, their last use or else their creation, is not after ``moment``."""
    active = in_phase(Phase.LIVE, Window(low=now))
    used, created = F("last_used_order"), F("created_at")
    old = LessThanOrEqual(Unindexed(created), moment)
    return Condition(
        found=Q(LessThanOrEqual(used, moment), old, phase=Phase.LIVE) & active.checked,
        checked=Q(LessThanOrEqual(Unindexed(used), moment), old) & active.checked,
        walks={
            "last-used": Walk(
                lambda keys: keys.filter(active.checked, old, phase=Phase.LIVE),
                Order((used, F("id")), window=Window(high=moment)),
            )
        },
    )


def of_origin(origin: str) -> Condition:
    return Condition(
        found=Q(origin=origin),
        checked=Q(Exact(Unindexed(F("origin")), origin)),
        walks={"created": Walk(lambda keys: keys.filter(origin=origin), Order(_CREATED))},
    )


def never_used(now: datetime) -> Condition:
    """Active keys that were never used."""
    active = in_phase(Phase.LIVE, Window(low=now))
    by_creation = active.walks["created"]
    return Condition(
        found=active.found & Q(last_used_at__isnull=True),
        checked=active.checked & Q(last_used_at__isnull=True),
        walks={
            "created": Walk(
                lambda keys: by_creation.rows(keys).filter(last_used_at__isnull=True), by_creation.order
            )
        },
    )


def with_scope(scope: str) -> Condition:
    held = KeyScope.objects.filter(scope=scope)

    def by_creation(keys: Keys) -> Keys:
        return keys.filter(held__scope=scope).alias(held_at=F("held__created_at"), held_key=F("held__key"))

    return Condition(
        found=Q(pk__in=held.values("key")),
        checked=Q(Exists(held.filter(key=OuterRef("pk")))),
        walks={"created": Walk(by_creation, Order((F("held_at"), F("held_key")), read_from=_CREATED))},
        counted=held,
    )


def id_of(email: str) -> int:
    """The person's, 0 where it is nobody's.

    Asked for by itself: only of a given owner PostgreSQL knows whether they own much, and plans for it.
    """
    return User.objects.filter(email=email.lower()).values_list("pk", flat=True).first() or 0


def of_owner(owner_id: int) -> Condition:
    found = Q(owner_id=owner_id)
    return Condition(
        found=found,
        checked=Q(Exact(Unindexed(F("owner_id")), owner_id)),
        walks={"created": Walk(lambda keys: keys.filter(found), Order(_CREATED))},
    )
