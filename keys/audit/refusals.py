"""Record refused attempts without letting anybody fill the audit log: limit the events and count the rest.

After the first events of one kind, there is one a minute. Refusals in between are counted, and the next event
has their number as ``further_refusals``. It is the event of the next refusal, or that of the last counted
one, which a job records after a minute. So each event stands for one refusal and ``further_refusals`` more.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import structlog
from django.db import transaction

from keys.audit import log
from keys.audit.key_texts import without_key_texts
from keys.audit.results import is_changed_count, seal_of_count
from keys.models import ApiKey, RefusalCount, Throttle, User
from keys.models.throttle import Budget, throttle_name
from keys.rules.events import Event
from keys.rules.permissions import Actor

ONCE_A_MINUTE = Budget(1, 60)
SEVERAL = Budget(30, 60)
"""For wrong passwords and repeated views: each of the first events tells, for example, another address."""
BATCH = 500

logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Refusal:
    """``of`` narrows the limit, for example to an action. One event a minute has the same ``once``."""

    event: Event
    actor: Actor
    reason: str
    key: ApiKey | None = None
    of: str = ""
    once: str = ""
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def budget(self) -> Budget:
        return ONCE_A_MINUTE if self.event is Event.ATTEMPT_REFUSED else SEVERAL


def record_or_count(refusal: Refusal) -> None:
    """Record a refusal now if the limit for its event, person and ``of`` allows it, or else count it."""
    name = throttle_name("refusal", refusal.event, str(refusal.actor.user_id), refusal.of)
    with transaction.atomic():
        Throttle.objects.locked(name)
        once = throttle_name("refusal", name, refusal.once)
        if (refusal.once and not _take(once, ONCE_A_MINUTE)) or not _take(name, refusal.budget):
            _count(name, refusal)
            return
        row = _row(name)
        _append(refusal, row.waiting if row else 0)
        if row:
            row.delete()


def record_waiting() -> int:
    """Record the last of the counted refusals of each kind if a minute has passed. Return their number."""
    events = 0
    for name in list(RefusalCount.objects.values_list("pk", flat=True)[:BATCH]):
        with transaction.atomic():
            Throttle.objects.locked(name)
            row = _row(name)
            if row is not None and _take(name, _last(row).budget):
                _append(_last(row), row.waiting - 1)
                row.delete()
                events += 1
    return events


def record_all_of(user: User) -> None:
    """Record the counted refusals of ``user`` at once, in the caller's transaction."""
    for name in list(RefusalCount.objects.filter(user=user).values_list("pk", flat=True)):
        Throttle.objects.locked(name)
        row = _row(name)
        if row is not None:
            _append(_last(row), row.waiting - 1)
            row.delete()


def _row(name: str) -> RefusalCount | None:
    """Return the row, or None. A row that the portal has not written makes no event, and is deleted."""
    row = RefusalCount.objects.select_related("user", "key").filter(pk=name).first()
    if row is not None and is_changed_count(row):
        logger.error("refusal_count_changed")
        row.delete()
        return None
    return row


def _last(row: RefusalCount) -> Refusal:
    actor = row.user.as_actor(ip=row.ip, browser=row.browser)
    return Refusal(Event(row.event), actor, row.reason, row.key, details=row.details)


def _append(refusal: Refusal, further: int) -> None:
    log.append(
        refusal.event,
        actor=refusal.actor,
        key=refusal.key,
        outcome=log.Outcome.REFUSED,
        reason=refusal.reason,
        **refusal.details,
        **({"further_refusals": further} if further else {}),
    )


def _count(name: str, refusal: Refusal) -> None:
    texts = {"reason": refusal.reason, "browser": refusal.actor.browser, "details": refusal.details}
    last = without_key_texts(texts) | {
        "user_id": refusal.actor.user_id,
        "key": refusal.key,
        "ip": refusal.actor.ip,
    }
    last["reason"] = last["reason"][: log.LONGEST_REASON]
    known = _row(name)
    waiting = known.waiting + 1 if known else 1
    row = RefusalCount(name=name, waiting=waiting, event=known.event if known else refusal.event, **last)
    row.seal = seal_of_count(row)
    row.save()


def _take(name: str, budget: Budget) -> bool:
    return Throttle.objects.take(name, budget) is not None
