"""Update a person's name, email, role and status from Cerby."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction
from django.utils import timezone

from keys import cerby
from keys.actions.dropped import note_dropped
from keys.actions.notifications.settle import settle
from keys.actions.people.copies import copies_are_due, update_copies
from keys.audit import log
from keys.evidence.logged_people import logged_person
from keys.models import User
from keys.rules.batches import batches
from keys.rules.errors import CerbyInDoubt, CerbyNotFound
from keys.rules.events import Event
from keys.rules.notifications import Kind
from keys.rules.permissions import Actor, Role

AT_ONCE = 500
LIVE, DISABLED = "live", "disabled"
FRESH_ENOUGH = timedelta(minutes=1)
"""A role that Cerby confirmed this recently is not read again before an action that needs it."""
A_PERSON_WAITS = 3
"""Seconds that a person waits for Cerby to confirm their role."""

_CHANGEABLE = (
    "email",
    "name",
    "role",
    "cerby_role",
    "role_known",
    "role_checked_at",
    "added_at",
    "is_active",
    "left_at",
)

logger = structlog.get_logger(__name__)


def refresh_person(user: User, *, within: float = math.inf) -> User:
    """Read ``user`` from Cerby and store the answer. ``within``: seconds to wait, if fewer than usual.

    Raises ``CerbyError`` and leaves the stored role as it is. After ``CerbyNotFound``, the user is inactive.
    """
    asked_at = timezone.now()
    try:
        person = cerby.connect().person(user.cerby_id, within=within)
    except CerbyNotFound:
        _mark_as_left(user, asked_at)
        raise
    note_dropped(person)
    return apply_upstream(person, user, asked_at=asked_at)


def _lock(user: User) -> None:
    """Lock the row until the transaction ends, and update ``user`` from it: it may have changed meanwhile.

    The password and ``signed_out_at`` stay as they were read. So a sign-in that began before one of them
    changed gives no session.
    """
    user.refresh_from_db(fields=_CHANGEABLE, from_queryset=User.objects.select_for_update(no_key=True))


def _has_newer_answer(user: User, asked_at: datetime) -> bool:
    """Return whether another process asked Cerby after ``asked_at`` and has stored the answer."""
    checked_at = user.role_checked_at
    return checked_at is not None and asked_at < checked_at <= timezone.now()


def _mark_as_left(user: User, asked_at: datetime) -> None:
    """Deactivate ``user``, whom Cerby no longer knows, and end their sessions."""
    with transaction.atomic():
        _lock(user)
        if user.left_at is not None or _has_newer_answer(user, asked_at):
            return
        _leave(user)
    update_copies(user.pk)


def _leave(user: User) -> None:
    """Do this in the caller's transaction, which holds the lock on the row."""
    before, now = _describe(user), timezone.now()
    user.left_at, user.is_active, user.signed_out_at = now, False, now
    user.save(update_fields=["is_active", "left_at", "signed_out_at"])
    copies_are_due(user)
    _record(user, before, reason="Cerby does not know this person any more.")


def with_confirmed_role(actor: Actor) -> Actor:
    """Return ``actor`` with a role that Cerby confirmed at most a minute ago.

    A person whom Cerby does not know is inactive. Raises ``CerbyError`` if Cerby does not answer.
    """
    user, now = User.objects.get(pk=actor.user_id), timezone.now()
    checked_at = user.role_checked_at
    if checked_at is None or not now - FRESH_ENOUGH < checked_at <= now:
        try:
            user = refresh_person(user, within=A_PERSON_WAITS)
        except CerbyNotFound:
            user.refresh_from_db()
        else:
            if user.role_checked_at == checked_at:
                raise CerbyInDoubt("Cerby's answer does not say whether this person is live, or is a guest.")
    return user.as_actor(ip=actor.ip, browser=actor.browser, part_of=actor.part_of)


def apply_upstream(person: cerby.Person, user: User, *, asked_at: datetime) -> User:
    """Copy ``person``, as Cerby described them after ``asked_at``, to ``user``, and record the changes.

    A person who is disabled in Cerby becomes inactive, and their sessions end for good. A person without a
    role counts as a Guest User. Nothing changes if the portal has stored a newer answer meanwhile.
    """
    for person_id in store_upstream(person, user, asked_at=asked_at):
        update_copies(person_id)
    return user


def store_upstream(person: cerby.Person, user: User, *, asked_at: datetime) -> list[int]:
    """Do the same without the copies in keys, and return the people whose copies are due."""
    changed: list[int] = []
    with transaction.atomic():
        _lock(user)
        if _has_newer_answer(user, asked_at):
            return changed
        before = _describe(user)
        columns = columns_for(person, user)
        if not columns["is_active"]:
            columns["signed_out_at"] = timezone.now()
        for name, value in columns.items():
            setattr(user, name, value)
        if person.confirms_role:
            user.role_checked_at = timezone.now()
        changed = _release_email(user.email, user.cerby_id)
        user.save(update_fields=[*columns, "role_checked_at"])
        if before != _describe(user):
            copies_are_due(user)
            changed.append(user.pk)
            if user.left_at is None:
                settle(Kind.ROTATION_DUE, Kind.REMOVAL_DUE, person=user)
            _record(user, before)
    return changed


def columns_for(person: cerby.Person, user: User) -> dict[str, Any]:
    """Return the columns that ``user`` should have according to ``person``, from Cerby.

    The portal keeps what it knew instead of a value that cannot be read.
    """
    is_live = person.status == LIVE if person.status else user.is_active
    left_at = (user.left_at or timezone.now()) if person.status == DISABLED else None
    return {
        **_name_and_email(person, user),
        **_role(person, user),
        "is_active": user.added_at is not None and is_live,
        "left_at": left_at if person.status else user.left_at,
    }


def _role(person: cerby.Person, user: User | None = None) -> dict[str, Any]:
    """Return the role. A person whose role the portal does not know gets the least one meanwhile."""
    known = person.role is not None
    role = person.role or Role.GUEST
    if person.is_guest is None and user is not None and known and user.cerby_role == person.role_id:
        role = Role(user.role)
    return {"role": role, "cerby_role": person.role_id, "role_known": known}


def _name_and_email(person: cerby.Person, user: User | None = None) -> dict[str, str]:
    """Return name and email, cut to our column lengths; Cerby documents no maximum.

    A person who was erased stays erased until they are live again.
    """
    if user is not None and user.is_erased and person.status != LIVE:
        return {"name": user.name, "email": user.email}
    email = person.email or (user.email if user else f"{person.id}@unknown.invalid")
    name = person.name or (user.name if user else email)
    return {"name": name[:200], "email": email.lower()[:254]}


def _record(user: User, before: dict[str, str], reason: str = "") -> None:
    """Record the change from ``before``, the row's former values, to the present ones.

    If somebody changed the row in the database, its values contradict the audit log. This is a separate
    event, and only the difference between the log and Cerby counts as a change in Cerby.
    """
    logged, after = {**before, **_logged(user, before)}, _describe(user)
    if repaired := _changes(before, logged):
        logger.error("row_contradicts_log", user_id=user.pk)
        log.append(Event.PERSON_REPAIRED, actor=None, person=str(user.pk), email=user.email, **repaired)
    if changes := _changes(logged, after):
        log.append(
            Event.PERSON_CHANGED,
            actor=None,
            reason=reason,
            person=str(user.pk),
            email=user.email,
            **changes,
        )


def _logged(user: User, before: dict[str, str]) -> dict[str, str]:
    facts = logged_person(user.pk, [before["email"], user.email])
    return {name: value for name, value in facts.items() if name in before}


def _changes(before: dict[str, str], after: dict[str, str]) -> dict[str, Any]:
    """Return the values that differ, as the details of an event, or nothing."""
    names = sorted(name for name in after if before[name] != after[name])
    pairs = {"before": before, "after": after}
    return {when: {name: values[name] for name in names} for when, values in pairs.items()} if names else {}


def _release_email(email: str, cerby_id: UUID) -> list[int]:
    """Take ``email`` from any row that has it with another id than ``cerby_id``: that person has left.

    Do so in the caller's transaction, and return the people whose copies are due after it.
    """
    people = list(User.objects.filter(email=email).exclude(cerby_id=cerby_id))
    for earlier in people:
        _lock(earlier)
        if earlier.left_at is None:
            _leave(earlier)
        earlier.email = f"{earlier.cerby_id}@moved.invalid"
        earlier.save(update_fields=["email"])
        copies_are_due(earlier)
    return [earlier.pk for earlier in people]


def _describe(user: User) -> dict[str, str]:
    return {
        "full name": user.name,
        "email": user.email,
        "role": user.role_in_words,
        "may sign in": "yes" if user.is_active else "no",
        "in the workspace": "yes" if user.left_at is None else "no",
    }


def create_unknown_users(people: Iterable[cerby.Person]) -> None:
    """Create a row for each of ``people`` whom the portal does not know yet. They cannot sign in.

    A person who was deleted in Cerby and added there again has a new id, and the old row has their email.
    """
    now = timezone.now()
    rows = {
        person.id: User(
            cerby_id=person.id,
            **_name_and_email(person),
            **_role(person),
            role_checked_at=now,
            left_at=now if person.status == DISABLED else None,
            password="!",  # noqa: S106 - an unusable password, in Django's own spelling
        )
        for person in people
    }
    for ids in batches(rows, AT_ONCE):
        known = set(User.objects.filter(cerby_id__in=ids).values_list("cerby_id", flat=True))
        new = {rows[each].email: rows[each] for each in ids if each not in known}
        changed: list[int] = []
        with transaction.atomic():
            for email in User.objects.filter(email__in=new).values_list("email", flat=True):
                changed += _release_email(email, new[email].cerby_id)
            User.objects.bulk_create(new.values(), ignore_conflicts=True)
        for person_id in changed:
            update_copies(person_id)
