"""Signing in and out: the role is read from Cerby, and both are recorded."""

from __future__ import annotations

from django.core.cache import cache

from keys.actions.people.refresh import refresh_person
from keys.audit import log
from keys.models import User
from keys.rules.errors import CerbyError
from keys.rules.events import Event
from keys.rules.policy import Actor

TOLD_ONCE_IN = 60
"""Seconds."""


def confirm(user: User) -> bool:
    """Whether ``user`` may sign in, as Cerby says now, or as it last said where it cannot be reached."""
    try:
        return refresh_person(user).is_active
    except CerbyError:
        return user.is_active


def record(user: User, *, ip: str, browser: str) -> None:
    log.append(Event.SIGNED_IN, actor=user.as_actor(ip=ip, browser=browser))


def record_end(actor: Actor) -> None:
    log.append(Event.SIGNED_OUT, actor=actor)


def record_failure(email: str, *, ip: str, browser: str) -> None:
    """A wrong password for somebody whom the portal knows; what was typed for nobody is not kept."""
    user = User.objects.filter(email=email.lower()).first()
    if user is not None:
        _refuse(user, "Wrong password.", ip=ip, browser=browser)


def record_inactive(user: User, *, ip: str, browser: str) -> None:
    """The right password of somebody whom ``confirm`` did not let in."""
    _refuse(user, "Not a live member of the workspace in Cerby.", ip=ip, browser=browser)


def record_throttled(email: str, *, ip: str, browser: str) -> None:
    """An attempt that was not even looked at, at most once a minute for an address of each kind.

    Otherwise whoever guesses passwords could fill the record. As with a wrong password, what was typed
    for nobody is not kept.
    """
    user = User.objects.filter(email=email.lower()).first()
    if user is not None and cache.add(f"throttled:{user.pk}:{ip}", 1, timeout=TOLD_ONCE_IN):
        _refuse(user, "Too many attempts.", ip=ip, browser=browser)


def _refuse(user: User, reason: str, *, ip: str, browser: str) -> None:
    actor = user.as_actor(ip=ip, browser=browser)
    log.append(Event.SIGNED_IN, actor=actor, outcome=log.Outcome.REFUSED, reason=reason)
