"""Confirm people's roles as they sign in, and record sign-ins, failures and sign-outs."""

from __future__ import annotations

from typing import Any

from django.core.cache import cache

from keys.actions.people.refresh import A_PERSON_WAITS, refresh_person
from keys.audit import log
from keys.models import User
from keys.rules.errors import CerbyError
from keys.rules.events import Event
from keys.rules.policy import Actor

THROTTLED_EVENT_INTERVAL = 60
"""Seconds between two events about throttled attempts on the same account from the same IP address."""


def confirm(user: User) -> bool:
    """Return whether ``user`` may sign in. If Cerby does not answer soon, its last answer counts."""
    try:
        return refresh_person(user, within=A_PERSON_WAITS).is_active
    except CerbyError:
        return user.is_active


def record(user: User, *, ip: str, browser: str) -> None:
    log.append(Event.SIGNED_IN, actor=user.as_actor(ip=ip, browser=browser))


def record_end(actor: Actor) -> None:
    log.append(Event.SIGNED_OUT, actor=actor)


def record_confirmation(actor: Actor, *, method: str) -> None:
    """Record that a signed-in person proved once more who they are, for example with their password."""
    log.append(Event.IDENTITY_CONFIRMED, actor=actor, method=method)


def record_failure(email: str, event: Event = Event.SIGNED_IN, *, ip: str, browser: str) -> None:
    """Record a wrong password for a known person. For an unknown email nothing is stored."""
    user = User.objects.filter(email=email.lower()).first()
    if user is not None:
        _refuse(user, "Wrong password.", event, ip=ip, browser=browser)


def record_inactive(user: User, *, ip: str, browser: str) -> None:
    """Record a correct password of a person whom ``confirm`` refused."""
    _refuse(user, "Not a live member of the workspace in Cerby.", Event.SIGNED_IN, ip=ip, browser=browser)


def record_throttled(email: str, event: Event = Event.SIGNED_IN, *, ip: str, browser: str) -> None:
    """Record a throttled attempt, at most once a minute per account and IP address.

    Otherwise an attacker who guesses passwords could fill the audit log. For an unknown email nothing is
    stored.
    """
    user = User.objects.filter(email=email.lower()).first()
    if user is not None and cache.add(f"throttled:{user.pk}:{ip}", 1, timeout=THROTTLED_EVENT_INTERVAL):
        _refuse(user, "Too many attempts.", event, ip=ip, browser=browser)


def _refuse(user: User, reason: str, event: Event, *, ip: str, browser: str) -> None:
    actor = user.as_actor(ip=ip, browser=browser)
    method: dict[str, Any] = {"method": "password"} if event == Event.IDENTITY_CONFIRMED else {}
    log.append(event, actor=actor, outcome=log.Outcome.REFUSED, reason=reason, **method)
