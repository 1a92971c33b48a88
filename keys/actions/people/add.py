"""Let a person of the workspace sign in to the portal."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from keys import cerby
from keys.actions.dropped import note_dropped
from keys.actions.people.refresh import LIVE, apply_upstream, create_unknown_users
from keys.audit import log
from keys.models import User
from keys.rules.errors import Invalid, NotFound
from keys.rules.events import Event


def add_person(email: str) -> User:
    """Allow the person with ``email`` in Cerby to sign in, with their role from Cerby. For the command line.

    Raises ``NotFound`` if Cerby does not know the person, ``Invalid`` if they are not live there, and
    ``CerbyError``.
    """
    person = cerby.connect().person_by_email(email)
    if person is None:
        raise NotFound(
            f"Cerby knows nobody with the email {email}. Check the spelling, or add them in Cerby first."
        )
    if person.status != LIVE:
        raise Invalid(
            f"Cerby lists {email} as “{person.status}”. Only people who are live there can be added."
        )
    create_unknown_users([person])
    note_dropped(person)
    user = User.objects.get(cerby_id=person.id)
    with transaction.atomic():
        if user.added_at is None:
            user.added_at = timezone.now()
            user.save(update_fields=["added_at"])
            role = user.role_in_words
            log.append(Event.PERSON_ADDED, actor=None, person=str(user.pk), email=user.email, role=role)
        return apply_upstream(person, user)
