"""Read a person's role and status from Cerby and keep it beside their row."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from keys import cerby
from keys.actors import actor_for
from keys.audit import log
from keys.audit.events import Event
from keys.audit.guard import authorize
from keys.errors import CerbyError, CerbyNotFound
from keys.models import ApiKey, User, fold
from keys.policy import Action, Actor, Role

LIVE = "live"
FRESH_ENOUGH = timedelta(minutes=5)


def refresh_person(user: User) -> User:
    """Ask Cerby for ``user`` and keep the answer.

    Raises ``CerbyError``; the kept role is untouched then. After ``CerbyNotFound`` they are no longer active.
    """
    try:
        person = cerby.connect().person(user.cerby_id)
    except CerbyNotFound:
        _deactivate(user)
        raise
    return keep(person, user)


def _deactivate(user: User) -> None:
    """Cerby does not know ``user`` any more: every session of theirs ends with its next request."""
    if not user.is_active:
        return
    user.is_active = False
    with transaction.atomic():
        user.save(update_fields=["is_active"])
        log.append(
            Event.PERSON_CHANGED,
            actor=None,
            reason="Cerby does not know this person any more.",
            email=user.email,
            before={"may sign in": "yes"},
            after={"may sign in": "no"},
        )


def refresh_everyone(actor: Actor) -> int:
    """Read everybody whom the portal knows from Cerby again. Returns how many were read."""
    authorize(actor, Action.REFRESH_ROLES)
    people = {person.id: person for person in cerby.connect().people()}
    known = list(User.objects.filter(cerby_id__in=people))
    for user in known:
        keep(people[user.cerby_id], user)
    for user in User.objects.filter(is_active=True).exclude(cerby_id__in=people):
        _deactivate(user)
    log.append(Event.ROLES_REFRESHED, actor=actor, count=len(known))
    return len(known)


def with_confirmed_role(actor: Actor) -> Actor:
    """``actor`` with the role that Cerby gives now, or the kept one where Cerby does not answer."""
    user = User.objects.get(pk=actor.user_id)
    if user.role_checked_at is None or timezone.now() - user.role_checked_at > FRESH_ENOUGH:
        try:
            user = refresh_person(user)
        except CerbyError:
            user.refresh_from_db()
    return actor_for(user, ip=actor.ip, browser=actor.browser)


def keep(person: cerby.Person, user: User) -> User:
    """Copy what Cerby says of ``person`` to ``user``, and record what changed.

    A person whom Cerby has disabled is no longer active: every session of theirs ends with its next
    request. One whose role it does not name counts as a Guest User.
    """
    before = _describe(user)
    role = person.role if person.role is not None else Role.GUEST
    user.name, user.email = _name_and_email(person)
    user.role = role
    user.role_checked_at = timezone.now()
    user.is_active = user.added_at is not None and person.status == LIVE
    after = _describe(user)
    with transaction.atomic():
        _free_address(user)
        user.save(update_fields=["name", "email", "role", "role_checked_at", "is_active"])
        if before != after:
            ApiKey.objects.filter(owner=user).update(
                owner_name=user.name, owner_order=fold(user.name), owner_email=user.email
            )
            changed = {name for name in after if before[name] != after[name]}
            log.append(
                Event.PERSON_CHANGED,
                actor=None,
                email=user.email,
                before={name: before[name] for name in sorted(changed)},
                after={name: after[name] for name in sorted(changed)},
            )
    return user


def _name_and_email(person: cerby.Person) -> tuple[str, str]:
    """As much of them as there is room for: Cerby publishes no longest name."""
    return (person.name or person.email)[:200], person.email.lower()[:254]


def _free_address(user: User) -> None:
    """An address that Cerby gives to ``user`` now is no longer the one of whoever had it before."""
    for earlier in User.objects.filter(email=user.email).exclude(pk=user.pk):
        _deactivate(earlier)
        User.objects.filter(pk=earlier.pk).update(email=f"{earlier.cerby_id}@moved.invalid")


def _describe(user: User) -> dict[str, str]:
    return {
        "name": user.name,
        "email": user.email,
        "role": Role(user.role).label,
        "may sign in": "yes" if user.is_active else "no",
    }


def remember(people: Iterable[cerby.Person]) -> None:
    """Make a row for each of ``people`` whom the portal has not met yet; they can't sign in by that."""
    User.objects.bulk_create([_met(person) for person in people], ignore_conflicts=True)


def _met(person: cerby.Person) -> User:
    name, email = _name_and_email(person)
    return User(
        cerby_id=person.id,
        email=email,
        name=name,
        role=person.role or Role.GUEST,
        role_checked_at=timezone.now(),
        password="!",  # noqa: S106 - an unusable password, in Django's own spelling
    )
