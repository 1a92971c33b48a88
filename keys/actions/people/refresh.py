"""Read a person's role and status from Cerby and keep it beside their row."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from keys import cerby
from keys.audit import log
from keys.models import ApiKey, User
from keys.rules.errors import CerbyError, CerbyNotFound
from keys.rules.events import Event
from keys.rules.policy import Actor, Role

LIVE, DISABLED = "live", "disabled"
FRESH_ENOUGH = timedelta(minutes=5)


def refresh_person(user: User) -> User:
    """Ask Cerby for ``user`` and keep the answer.

    Raises ``CerbyError``; the kept role is untouched then. After ``CerbyNotFound`` they are no longer active.
    """
    try:
        person = cerby.connect().person(user.cerby_id)
    except CerbyNotFound:
        _part_from(user)
        raise
    return apply_upstream(person, user)


def _part_from(user: User) -> None:
    """Cerby does not know ``user`` any more: every session of theirs ends with its next request."""
    if user.left_at is not None:
        return
    before = _describe(user)
    user.left_at, user.is_active = timezone.now(), False
    with transaction.atomic():
        user.save(update_fields=["is_active", "left_at"])
        _tell_keys(user)
        _record(user, before, reason="Cerby does not know this person any more.")


def with_confirmed_role(actor: Actor) -> Actor:
    """``actor`` with the role that Cerby gives now, or the kept one where Cerby does not answer."""
    user = User.objects.get(pk=actor.user_id)
    if user.role_checked_at is None or timezone.now() - user.role_checked_at > FRESH_ENOUGH:
        try:
            user = refresh_person(user)
        except CerbyError:
            user.refresh_from_db()
    return user.as_actor(ip=actor.ip, browser=actor.browser)


def apply_upstream(person: cerby.Person, user: User) -> User:
    """Copy what Cerby says of ``person`` to ``user``, and record what changed.

    A person whom Cerby has disabled is no longer active: every session of theirs ends with its next
    request. One whose role it does not name counts as a Guest User.
    """
    before = _describe(user)
    for name, value in facts_of(person, user).items():
        setattr(user, name, value)
    user.role_checked_at = timezone.now()
    with transaction.atomic():
        _free_address(user)
        user.save(update_fields=["name", "email", "role", "role_checked_at", "is_active", "left_at"])
        if before != _describe(user):
            _tell_keys(user)
            _record(user, before)
    return user


def facts_of(person: cerby.Person, user: User) -> dict[str, Any]:
    """The columns of ``user`` as ``person``, from Cerby, would have them."""
    return {
        **_name_and_email(person),
        "role": person.role if person.role is not None else Role.GUEST,
        "is_active": user.added_at is not None and person.status == LIVE,
        "left_at": (user.left_at or timezone.now()) if person.status == DISABLED else None,
    }


def _name_and_email(person: cerby.Person) -> dict[str, str]:
    """As much of them as there is room for: Cerby publishes no longest name."""
    return {"name": (person.name or person.email)[:200], "email": person.email.lower()[:254]}


def _record(user: User, before: dict[str, str], reason: str = "") -> None:
    after = _describe(user)
    changed = sorted(name for name in after if before[name] != after[name])
    log.append(
        Event.PERSON_CHANGED,
        actor=None,
        reason=reason,
        email=user.email,
        before={name: before[name] for name in changed},
        after={name: after[name] for name in changed},
    )


def _tell_keys(user: User) -> None:
    """What lists sort, search and filter by stands beside each key."""
    ApiKey.objects.filter(owner=user).update(owner_left_at=user.left_at, **ApiKey.owner_columns(user))


def tell_all_keys() -> None:
    """Also the keys that came to their owner after the owner had left."""
    ApiKey.objects.filter(owner_left_at=None, owner__left_at__isnull=False).update(
        owner_left_at=timezone.now()
    )
    ApiKey.objects.filter(owner_left_at__isnull=False, owner__left_at=None).update(owner_left_at=None)


def _free_address(user: User) -> None:
    """An address that Cerby gives to ``user`` now is no longer the one of whoever had it before."""
    for earlier in User.objects.filter(email=user.email).exclude(pk=user.pk):
        _part_from(earlier)
        User.objects.filter(pk=earlier.pk).update(email=f"{earlier.cerby_id}@moved.invalid")


def _describe(user: User) -> dict[str, str]:
    return {
        "full name": user.name,
        "email": user.email,
        "role": Role(user.role).label,
        "may sign in": "yes" if user.is_active else "no",
        "in the workspace": "yes" if user.left_at is None else "no",
    }


def remember(people: Iterable[cerby.Person]) -> None:
    """Make a row for each of ``people`` whom the portal has not met yet; they can't sign in by that."""
    now = timezone.now()
    User.objects.bulk_create(
        [
            User(
                cerby_id=person.id,
                **_name_and_email(person),
                role=person.role or Role.GUEST,
                role_checked_at=now,
                left_at=now if person.status == DISABLED else None,
                password="!",  # noqa: S106 - an unusable password, in Django's own spelling
            )
            for person in people
        ],
        ignore_conflicts=True,
    )
