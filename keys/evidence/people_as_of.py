"""Reconstruct everybody's role as of a past time, by undoing the changes that the log recorded later."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from keys.models import AuditEvent, LoggedEmail, User
from keys.rules.events import Event
from keys.tlog.leaf import ERASED, readable

CHANGES = (Event.PERSON_ADDED, Event.PERSON_REMOVED, Event.PERSON_CHANGED)
NAMES = {"full name": "name", "may sign in": "may_sign_in", "in the workspace": "in_the_workspace"}


@dataclass
class PersonAsOf:
    """A person at that time. ``undone`` is the number of later changes that were undone."""

    row: int
    cerby_id: str
    name: str
    email: str
    role: str
    may_sign_in: str
    in_the_workspace: str
    undone: int = 0

    def cells(self) -> list[str]:
        shown = (self.cerby_id, self.name, self.email, self.role, self.may_sign_in, self.in_the_workspace)
        return [*shown, f"{self.undone} later changes undone" if self.undone else "unchanged since"]


HEADER = ["Cerby id", "Name", "Email", "Role", "May sign in", "In the workspace", "How it is known"]


@dataclass
class PeopleAsOf:
    """``unknown`` is the number of changes that could not be undone because the person was erased."""

    people: list[PersonAsOf] = field(default_factory=list)
    unknown: int = 0

    def emails(self) -> dict[int, str]:
        return {person.row: person.email for person in self.people if person.undone}


def people_as_of(as_of: datetime) -> PeopleAsOf:
    """Return everybody the portal knows, all in memory: hundreds, or a few thousand."""
    found = PeopleAsOf([_now(user) for user in User.objects.order_by("pk").iterator()])
    by_email = {person.email: person for person in found.people}
    for kind, details in _changes_after(as_of):
        person = by_email.get(details["email"])
        if person is None or ERASED in details.get("before", {}).values():
            found.unknown += 1
            continue
        _undo(person, kind, details)
        del by_email[details["email"]]
        by_email[person.email] = person
    return found


def people_at(users: Iterable[User], as_of: datetime) -> list[PersonAsOf]:
    """Return ``users`` as of that time. Memory and time depend on them and their later changes alone.

    The log has the email that a person had after each change, so their changes are read back from one email
    to the one before it.
    """
    people = {user.pk: _now(user) for user in users}
    wanted: dict[str, tuple[PersonAsOf, int | None]] = {one.email: (one, None) for one in people.values()}
    later = AuditEvent.objects.filter(type__in=CHANGES, at__gt=as_of).alias(about=LoggedEmail())
    while wanted:
        events = later.filter(about__in=sorted(wanted), about__isnull=False).order_by("-id")
        former: dict[str, tuple[PersonAsOf, int | None]] = {}
        for id_, kind, details, personal in events.values_list("id", "type", "details", "personal"):
            said = readable(details, personal)
            person, before = wanted[said["email"]]
            if person.email != said["email"] or (before is not None and id_ >= before):
                continue  # the email was another person's then
            if kind != Event.PERSON_ADDED and ERASED in said["before"].values():
                continue
            _undo(person, kind, said)
            if person.email != said["email"]:
                former[person.email] = (person, id_)
        wanted = former
    return list(people.values())


def _undo(person: PersonAsOf, kind: str, details: dict[str, Any]) -> None:
    person.undone += 1
    if kind == Event.PERSON_ADDED:
        person.may_sign_in = "no"
        return
    for name, value in details["before"].items():
        setattr(person, NAMES.get(name, name), value)


def _changes_after(as_of: datetime) -> Iterator[tuple[str, dict[str, Any]]]:
    rows = AuditEvent.objects.filter(type__in=CHANGES, at__gt=as_of).order_by("-id")
    for kind, details, personal in rows.values_list("type", "details", "personal").iterator(chunk_size=500):
        yield kind, readable(details, personal)


def _now(user: User) -> PersonAsOf:
    return PersonAsOf(
        row=user.pk,
        cerby_id=str(user.cerby_id),
        name=user.name,
        email=user.email,
        role=user.role_in_words,
        may_sign_in="yes" if user.is_active else "no",
        in_the_workspace="yes" if user.left_at is None else "no",
    )
