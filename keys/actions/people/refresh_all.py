"""Read everybody whom the portal knows from Cerby, and believe no list that would lock people out."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from django.utils import timezone

from keys import cerby
from keys.actions.circuit_breaker import is_too_many, record_stop
from keys.actions.people.refresh import apply_upstream, facts_of, refresh_person, tell_all_keys
from keys.audit import log
from keys.audit.guard import authorize
from keys.models import User
from keys.rules.batches import batches
from keys.rules.errors import CerbyNotFound, Conflict
from keys.rules.events import Event
from keys.rules.policy import ADMINS, Action, Actor

PAGE = 100
ASKED_SINGLY = 100
"""Of people whom the list does not hold, so many are asked for in one run; the next run goes on."""

logger = structlog.get_logger(__name__)


@dataclass
class Reading:
    """What Cerby says of everybody, before anything is done about it. ``seen`` are ids of rows."""

    seen: set[int] = field(default_factory=set)
    same: list[int] = field(default_factory=list)
    differing: list[tuple[User, cerby.Person]] = field(default_factory=list)
    missing: list[User] = field(default_factory=list)


def refresh_everyone(actor: Actor) -> int:
    """A person asks for it, having looked at Cerby: however many lose access, unless no admin were left.

    Returns how many people were read. Raises ``NotAllowed``, ``Conflict`` and ``CerbyError``.
    """
    authorize(actor, Action.REFRESH_ROLES)
    count = read_everyone(limited=False)
    log.append(Event.ROLES_REFRESHED, actor=actor, count=count)
    return count


def read_everyone(*, limited: bool = True) -> int:
    """Bring every row up to date; returns how many people were read. Whom nothing changes costs no event.

    ``limited``: more than three, and more than one in twenty, of those who may sign in cannot lose it in
    one run. Whom the list does not hold is asked for by themselves: a list may be incomplete. Raises
    ``CerbyError`` and ``Conflict``; nothing has changed then.
    """
    started = timezone.now()
    reading = _read()
    _check_that_people_stay(reading, limited=limited)
    for user, person in reading.differing:
        apply_upstream(person, user)
    _confirm(reading.same, started)
    for user in reading.missing[:ASKED_SINGLY]:
        with suppress(CerbyNotFound):
            refresh_person(user)
    tell_all_keys()
    return len(reading.seen)


def _read() -> Reading:
    """One call and one query for each page; of people who are as they were, only the row's id is kept."""
    reading = Reading()
    for page in batches(cerby.connect().people(), PAGE):
        people = {person.id: person for person in page}
        for user in User.objects.filter(cerby_id__in=people):
            person = people[user.cerby_id]
            reading.seen.add(user.pk)
            if all(getattr(user, name) == value for name, value in facts_of(person, user).items()):
                reading.same.append(user.pk)
            else:
                reading.differing.append((user, person))
    here = User.objects.filter(left_at=None).order_by("-is_active", "role_checked_at")
    reading.missing = [user for user in here.iterator(chunk_size=PAGE) if user.pk not in reading.seen]
    return reading


def _check_that_people_stay(reading: Reading, *, limited: bool) -> None:
    """Raise ``Conflict``, recorded, where so many would lose access that the list is not to be believed."""
    active = User.objects.filter(is_active=True).count()
    admins = User.objects.filter(is_active=True, role__in=ADMINS).count()
    losing, left = sum(user.is_active for user in reading.missing), admins
    left -= sum(_is_admin(user.role, active=user.is_active) for user in reading.missing)
    for user, person in reading.differing:
        now = facts_of(person, user)
        was_admin = _is_admin(user.role, active=user.is_active)
        is_admin = _is_admin(now["role"], active=now["is_active"])
        left += is_admin - was_admin
        losing += (user.is_active and not now["is_active"]) or (was_admin and not is_admin)
    nobody_left = admins > 0 and left <= 0
    if nobody_left or (limited and is_too_many(losing, active)):
        _stop(losing, active, nobody_left=nobody_left)


def _is_admin(role: int, *, active: bool) -> bool:
    return active and role in ADMINS


def _stop(losing: int, active: int, *, nobody_left: bool) -> None:
    reason = f"Going by Cerby's list, {losing} of {active} people would lose their access" + (
        ", and no admin would be left. Nothing was changed."
        if nobody_left
        else ". Nothing was changed. If the list is right, press “Read roles from Cerby” on the Roles page."
    )
    record_stop(Event.PEOPLE_STOPPED, reason, losing=losing, people=active)
    logger.error("people_stopped", count=losing)
    raise Conflict(reason)


def _confirm(ids: list[int], at: datetime) -> None:
    for batch in batches(ids, PAGE):
        User.objects.filter(pk__in=batch).update(role_checked_at=at)
