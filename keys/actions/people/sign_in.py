"""Confirm people's roles as they sign in, and record sign-ins, failures and sign-outs."""

from __future__ import annotations

from typing import Any

from keys.actions.people.refresh import A_PERSON_WAITS, refresh_person
from keys.audit import log, refusals
from keys.audit.refusals import Refusal
from keys.models import User
from keys.rules.errors import CerbyError
from keys.rules.events import Event
from keys.rules.policy import Actor


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

    For an unknown email nothing is stored.
    """
    user = User.objects.filter(email=email.lower()).first()
    if user is not None:
        _refuse(user, "Too many attempts.", event, ip=ip, browser=browser, once=f"throttled {ip}")


def _refuse(user: User, reason: str, event: Event, *, ip: str, browser: str, once: str = "") -> None:
    """Record a refused attempt. keys.audit.refusals limits the events, so that nobody can fill the log."""
    actor = user.as_actor(ip=ip, browser=browser)
    method: dict[str, Any] = {"method": "password"} if event == Event.IDENTITY_CONFIRMED else {}
    refusals.record_or_count(Refusal(event, actor, reason, once=once, details=method))
