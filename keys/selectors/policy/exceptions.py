"""Read the exceptions from the policy: those of a key, and all for the page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from keys.audit.guard import authorize
from keys.models import ApiKey, PolicyException
from keys.rules.permissions import Action, Actor
from keys.rules.policy.violations import Violation
from keys.selectors.policy.facts import excepted, violations_of

SHOWN = 100


@dataclass(frozen=True)
class Row:
    """``may_grant``: whether the reader may decide about it. ``may_end``: or withdraw it, or end it early."""

    exception: PolicyException
    may_grant: bool
    may_decline: bool
    may_end: bool


@dataclass(frozen=True)
class ExceptionsPage:
    asked: list[Row]
    in_force: list[Row]
    others: list[Row]


def exceptions_page(actor: Actor) -> ExceptionsPage:
    """Return the exceptions that wait, those in force, and the newest others. Raise ``NotAllowed``."""
    authorize(actor, Action.SEE_INVENTORY)
    now = timezone.now()
    rows = PolicyException.objects.select_related("key__owner", "asked_by", "decided_by").order_by(
        "-asked_at"
    )
    asked = rows.filter(state=PolicyException.State.ASKED)[:SHOWN]
    in_force = rows.filter(state=PolicyException.State.GRANTED, ends_at__gt=now)[:SHOWN]
    others = [each for each in rows[: 3 * SHOWN] if each.state != "asked" and not each.is_in_force][:SHOWN]
    return ExceptionsPage(*([_row(actor, each) for each in part] for part in (asked, in_force, others)))


def _row(actor: Actor, each: PolicyException) -> Row:
    decides, is_open = actor.may(Action.GRANT_EXCEPTION), each.state == PolicyException.State.ASKED
    is_concerned = actor.user_id in {each.asked_by_id, each.key.owner_id}
    is_own = each.asked_by_id == actor.user_id
    return Row(
        each,
        may_grant=is_open and decides and not is_concerned,
        may_decline=is_open and decides and not is_own,
        may_end=(is_open and is_own) or (each.is_in_force and (decides or is_own)),
    )


@dataclass(frozen=True)
class Asking:
    """The question for which rule an exception is asked."""

    key: ApiKey
    violations: list[Violation]


def asking(actor: Actor, key: ApiKey) -> Asking:
    """Return the rules that the key does not meet, without those from which it is excepted."""
    authorize(actor, Action.ASK_EXCEPTION, key)
    now = timezone.now()
    open_rules = set(
        PolicyException.objects.filter(key=key, state=PolicyException.State.ASKED).values_list(
            "rule", flat=True
        )
    )
    found = without_excepted(key, violations_of(key, now), now)
    return Asking(key, [each for each in found if each.rule.value not in open_rules])


def without_excepted(key: ApiKey, found: Iterable[Violation], now: datetime) -> list[Violation]:
    rules = excepted([key.pk], now)
    return [each for each in found if (key.pk, each.rule.value) not in rules]
