"""Update everybody from Cerby, unless its list would lock too many people out."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from django.utils import timezone

from keys import cerby
from keys.actions.circuit_breaker import is_too_many, record_stop
from keys.actions.dropped import PERSON, Dropped
from keys.actions.people.confirm_role import authorize_now
from keys.actions.people.copies import update_left_at
from keys.actions.people.refresh import apply_upstream, columns_for, refresh_person
from keys.audit import log
from keys.evidence.logged_people import logged_person
from keys.models import User
from keys.rules.batches import batches
from keys.rules.cerby_roles import role_in_words
from keys.rules.errors import CerbyInDoubt, CerbyNotFound, Conflict
from keys.rules.events import Event
from keys.rules.permissions import ADMINS, Action, Actor

PAGE = 100
MAX_SINGLE_REQUESTS = 100
"""How many people that the list lacks are requested one by one per run. The next run continues."""

MOST_DOUBTS = 3
"""After so many answers that cannot be used, such as none in time, the other people wait for the next run."""

logger = structlog.get_logger(__name__)


@dataclass
class Reading:
    """Cerby's list compared with our rows, before anything is changed. ``seen`` and ``same`` are row ids.

    ``mfa``: the ids of rows that differ from Cerby in whether the person has a second factor there.
    """

    seen: set[int] = field(default_factory=set)
    same: list[int] = field(default_factory=list)
    dropped: Dropped = field(default_factory=lambda: Dropped(PERSON))
    differing: list[tuple[User, cerby.Person]] = field(default_factory=list)
    missing: list[User] = field(default_factory=list)
    mfa: dict[bool | None, list[int]] = field(default_factory=lambda: defaultdict(list))


def refresh_everyone(actor: Actor) -> int:
    """Update everybody at a person's request, and return how many people were read.

    Any number of people may lose access, but at least one admin must remain. Raises ``Conflict`` and
    ``CerbyError``.
    """
    actor = authorize_now(actor, Action.REFRESH_ROLES)
    count = read_everyone(limited=False)
    log.append(Event.ROLES_REFRESHED, actor=actor, count=count)
    return count


def read_everyone(*, limited: bool = True) -> int:
    """Update every row, and return how many people were read. Only changes are recorded as events.

    If ``limited``, raise ``Conflict`` if too many people would lose access (see ``is_too_many``). People
    whom the list lacks are requested one by one, because the list may be incomplete. ``Conflict`` and
    ``CerbyError`` leave everything unchanged.
    """
    started = timezone.now()
    reading = _read()
    reading.dropped.store()
    _check_lost_access(reading, limited=limited)
    for user, person in reading.differing:
        apply_upstream(person, user, asked_at=started)
    _mark_checked(reading.same, started)
    for mfa, ids in reading.mfa.items():
        for some in batches(ids, PAGE):
            User.objects.filter(pk__in=some).update(cerby_mfa=mfa)
    _read_one_by_one(reading.missing[:MAX_SINGLE_REQUESTS])
    update_left_at()
    return len(reading.seen)


def _read_one_by_one(people: list[User]) -> None:
    """Read ``people``. One answer that cannot be used does not stop the others. Raises ``CerbyError``."""
    doubts = 0
    for user in people:
        try:
            refresh_person(user)
        except CerbyNotFound:
            pass  # the person is inactive now
        except CerbyInDoubt:
            doubts += 1
            logger.warning("person_not_read", cerby_id=str(user.cerby_id))
            if doubts == MOST_DOUBTS:
                raise


def _read() -> Reading:
    """Read Cerby's list with one call and one query per page. Of unchanged people, keep only the row's id.

    A person whose id cannot be read stays as they are, if their email can be.
    """
    reading = Reading()
    unread = set[str]()
    for page in batches(cerby.connect().all_people(), PAGE):
        people = {person.id: person for person in page if isinstance(person, cerby.Person)}
        reading.dropped.add(page)
        unread |= {item.email for item in page if isinstance(item, cerby.UnreadableItem)}
        for user in User.objects.filter(cerby_id__in=people):
            person = people[user.cerby_id]
            reading.seen.add(user.pk)
            mfa = person.mfa.enabled if person.mfa else None
            if user.cerby_mfa != mfa:
                reading.mfa[mfa].append(user.pk)
            if all(getattr(user, name) == value for name, value in columns_for(person, user).items()):
                reading.same += [user.pk] if person.confirms_role else []
            else:
                reading.differing.append((user, person))
    here = User.objects.filter(left_at=None).order_by("-is_active", "role_checked_at")
    reading.missing = [
        user
        for user in here.iterator(chunk_size=PAGE)
        if user.pk not in reading.seen and user.email not in unread
    ]
    return reading


def _check_lost_access(reading: Reading, *, limited: bool) -> None:
    """Raise ``Conflict``, and record it, if too many people or the last admin would lose access."""
    active = User.objects.filter(is_active=True).count()
    admins = User.objects.filter(is_active=True, role__in=ADMINS).count()
    losing, left = sum(user.is_active for user in reading.missing), admins
    left -= sum(_is_admin(user.role, active=user.is_active) for user in reading.missing)
    for user, person in reading.differing:
        now = columns_for(person, user)
        was_admin = _is_admin(user.role, active=user.is_active)
        is_admin = _is_admin(now["role"], active=now["is_active"])
        left += is_admin - was_admin
        loses = (user.is_active and not now["is_active"]) or (was_admin and not is_admin)
        losing += loses and not _is_forged(user, now)
    nobody_left = admins > 0 and left <= 0
    if nobody_left or (limited and is_too_many(losing, active)):
        _stop(losing, active, nobody_left=nobody_left)


def _is_forged(user: User, now: dict[str, Any]) -> bool:
    """Return whether only the row differs from Cerby: the log has the role that Cerby gives."""
    logged = logged_person(user.pk, [user.email, now["email"]]).get("role")
    role = role_in_words(now["role"], now["cerby_role"], known=now["role_known"])
    return logged == role and logged != user.role_in_words


def _is_admin(role: int, *, active: bool) -> bool:
    return active and role in ADMINS


def _stop(losing: int, active: int, *, nobody_left: bool) -> None:
    reason = f"According to Cerby's list, {losing} of {active} people would lose their access" + (
        ", and no admin would be left. Nothing was changed."
        if nobody_left
        else ". Nothing was changed. If the list is right, press “Read roles from Cerby” on the Roles page."
    )
    record_stop(Event.PEOPLE_STOPPED, reason, losing=losing, people=active)
    logger.error("people_stopped", count=losing)
    raise Conflict(reason)


def _mark_checked(ids: list[int], at: datetime) -> None:
    for batch in batches(ids, PAGE):
        User.objects.filter(pk__in=batch).update(role_checked_at=at)
