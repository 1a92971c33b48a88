"""Ask for an exception from the policy, and grant, decline or end one. Every exception ends by itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from keys.actions.people.confirm_role import authorize_now
from keys.audit import log
from keys.audit.guard import authorize, record_refusal
from keys.models import ApiKey, Finding, PolicyException
from keys.models.policy_exception import MOST_DAYS
from keys.rules.errors import Conflict, Invalid, NotAllowed, NotFound
from keys.rules.events import Event
from keys.rules.permissions import Action, Actor
from keys.rules.policy.decisions import NOT_ALLOWED, Asked
from keys.selectors.key.page import key_for
from keys.selectors.policy.facts import violations_of
from keys.validation.text import check_reason

State = PolicyException.State


def ask_for_exception(actor: Actor, key_id: UUID, rule: str, *, days: int, reason: str) -> PolicyException:
    """Ask that the key may stay outside ``rule`` for so many days.

    Raises ``Invalid``, and ``Conflict`` if the key meets the rule, or an exception waits or is in force.
    """
    key = key_for(actor, key_id)
    actor = authorize_now(actor, Action.ASK_EXCEPTION, key)
    check_reason(reason)
    if not 1 <= days <= MOST_DAYS:
        raise Invalid(
            days=f"An exception ends within {MOST_DAYS} days. Enter a number from 1 to {MOST_DAYS}."
        )
    now = timezone.now()
    if rule not in {violation.rule.value for violation in violations_of(key, now)}:
        raise Conflict("This key meets the rule, so it needs no exception.")
    if PolicyException.in_force(now).filter(key=key, rule=rule).exists():
        raise Conflict("This key has an exception from the rule already.")
    try:
        with transaction.atomic():
            made = PolicyException.objects.create(
                key=key, rule=rule, reason=reason, days=days, asked_by_id=actor.user_id, asked_at=now
            )
            _record(Event.EXCEPTION_ASKED, actor, made, reason=reason, days=days)
    except IntegrityError as error:
        raise Conflict("An exception of this key from the rule waits for a decision already.") from error
    return made


def grant_exception(actor: Actor, exception_id: UUID) -> PolicyException:
    """Accept the finding until the exception ends, and close it.

    Raises ``NotAllowed`` for the person who asked and for the key's owner, and ``Conflict`` if it is decided.
    """
    actor = authorize_now(actor, Action.GRANT_EXCEPTION)
    asked = _asked(exception_id)
    depends_on = Asked(asked.asked_by_id, asked.key.owner_id, is_open=asked.state == State.ASKED)
    for reason in depends_on.against(actor.user_id):
        if reason not in NOT_ALLOWED:
            raise Conflict(reason.value)
        record_refusal(actor, Action.GRANT_EXCEPTION, asked.key, reason.value)
        raise NotAllowed(reason.value, allowed=[])
    now = timezone.now()
    ends_at = now + timedelta(days=asked.days)
    with transaction.atomic():
        _decide(actor, asked, State.GRANTED, ends_at=ends_at)
        Finding.objects.filter(key=asked.key, rule=asked.rule).delete()
        _record(Event.EXCEPTION_GRANTED, actor, asked, until=ends_at.isoformat())
    return asked


def decline_exception(actor: Actor, exception_id: UUID, *, reason: str) -> PolicyException:
    """Raises ``Invalid`` without a reason, and ``Conflict`` if it is decided."""
    actor = authorize_now(actor, Action.GRANT_EXCEPTION)
    asked = _asked(exception_id)
    check_reason(reason)
    with transaction.atomic():
        _decide(actor, asked, State.DECLINED, verdict=reason)
        _record(Event.EXCEPTION_DECLINED, actor, asked, reason=reason)
    return asked


def end_exception(actor: Actor, exception_id: UUID) -> PolicyException:
    """Withdraw what one has asked for, or end an exception early. The job finds the key again.

    Raises ``NotAllowed``, and ``Conflict`` if it has ended.
    """
    found = _found(exception_id)
    is_own = found.asked_by_id == actor.user_id
    if is_own:
        authorize(actor, Action.ASK_EXCEPTION, found.key)
    else:
        actor = authorize_now(actor, Action.GRANT_EXCEPTION)
    now = timezone.now()
    open_still = PolicyException.objects.filter(pk=found.pk)
    with transaction.atomic():
        withdrawn = open_still.filter(state=State.ASKED).update(
            state=State.WITHDRAWN, decided_by_id=actor.user_id, decided_at=now
        )
        ended = open_still.filter(state=State.GRANTED, ends_at__gt=now).update(ends_at=now)
        if not withdrawn and not ended:
            raise Conflict("This exception has ended already.")
        _record(Event.EXCEPTION_ENDED, actor, found)
    found.refresh_from_db()
    return found


def _found(exception_id: UUID) -> PolicyException:
    found = PolicyException.objects.select_related("key__owner").filter(pk=exception_id).first()
    if found is None:
        raise NotFound("There is no such exception.")
    return found


def _asked(exception_id: UUID) -> PolicyException:
    found = _found(exception_id)
    if found.state != State.ASKED:
        raise Conflict("This exception is already decided.")
    return found


def _decide(actor: Actor, asked: PolicyException, state: str, **columns: Any) -> None:
    """Change the state once. Raises ``Conflict`` if another person was faster."""
    decided = {"state": state, "decided_by_id": actor.user_id, "decided_at": timezone.now(), **columns}
    if PolicyException.objects.filter(pk=asked.pk, state=State.ASKED).update(**decided) != 1:
        raise Conflict("This exception is already decided.")
    for name, value in decided.items():
        setattr(asked, name, value)


def _record(event: Event, actor: Actor, found: PolicyException, *, reason: str = "", **details: Any) -> None:
    key: ApiKey = found.key
    log.append(
        event, actor=actor, key=key, reason=reason, exception=str(found.pk), rule=found.rule, **details
    )
