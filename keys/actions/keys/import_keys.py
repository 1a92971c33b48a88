"""Declare many existing keys at once from a CSV file."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID, uuid4

from django.db import IntegrityError, transaction

from keys import cerby
from keys.actions.keys.register import add_keys, unsaved_key, wait_for_other_declarations
from keys.actions.people.accountable import ownership_columns
from keys.actions.people.confirm_role import authorize_now
from keys.actions.people.refresh import create_unknown_users
from keys.models import ApiKey, User
from keys.rules.batches import batches, each_alone, in_turns
from keys.rules.errors import Invalid
from keys.rules.permissions import Action, Actor
from keys.selectors.key.imports import Line, plan
from keys.validation import existing_key

AT_ONCE = 100
"""The most keys in one transaction."""
ATTEMPTS = 2


def import_keys(actor: Actor, text: str) -> int:
    """Add a key for each valid line of ``text``, and return how many were added.

    The lines are validated again, because the inventory may have changed since the preview. Imports and
    registrations take turns after at most ``AT_ONCE`` keys, so that two at the same time add no key twice. If
    an import breaks off, the same file imports the rest.
    """
    actor = authorize_now(actor, Action.REGISTER_KEY)
    import_id = uuid4()
    actor = replace(actor, part_of=str(import_id))
    count = 0
    for lines in in_turns(each_alone(plan(actor, text).good), AT_ONCE):
        count += _import_or_leave_out(actor, lines, import_id)
    if not count:
        raise Invalid(file="No line of the file can be imported any more. Look at the reasons below.")
    return count


def _import_or_leave_out(actor: Actor, lines: list[Line], import_id: UUID) -> int:
    """Return how many keys were added: none if somebody adds one of them without taking turns."""
    for _ in range(ATTEMPTS):
        try:
            return _import(actor, lines, import_id)
        except IntegrityError as error:
            if not existing_key.is_taken(error):
                raise
    return 0


def _import(actor: Actor, planned: list[Line], import_id: UUID) -> int:
    named = [person for line in planned for person in (line.owner, *line.answering) if person is not None]
    create_unknown_users(person for person in named if isinstance(person, cerby.Person))
    emails = {person.email.lower() for person in named}
    with transaction.atomic():
        wait_for_other_declarations()
        lines = _not_declared_since(planned)
        people = {
            user.email: user
            for batch in batches(emails, existing_key.NAMES_AT_ONCE)
            for user in User.objects.filter(email__in=batch)
        }
        add_keys(actor, [_unsaved(line, people, import_id) for line in lines])
    return len(lines)


def _not_declared_since(lines: list[Line]) -> list[Line]:
    """Leave out the keys that another person has declared since ``lines`` were planned."""
    taken = existing_key.taken((line.name, line.owner_email) for line in lines)
    return [
        line for line in lines if line.registration and existing_key.identity(line.registration) not in taken
    ]


def _unsaved(line: Line, people: dict[str, User], import_id: UUID) -> ApiKey:
    assert line.registration is not None  # every valid line has one
    ownership = ownership_columns(line.registration.ownership, default=None, present=people)
    return unsaved_key(line.registration, people[line.owner_email], ownership, imported_in=import_id)
