"""Find a person for a change, and end their sessions."""

from __future__ import annotations

from django.utils import timezone

from keys.models import User
from keys.rules.errors import NotFound


def person_in_turn(user_id: int) -> User:
    """Return the person as they stay until the transaction ends. Raises ``NotFound``."""
    person = User.objects.select_for_update().filter(pk=user_id).first()
    if person is None:
        raise NotFound("The portal does not know this person.")
    return person


def sign_out_everywhere(person: User) -> None:
    """End all sessions of the person, in the caller's transaction."""
    person.signed_out_at = timezone.now()
    person.save(update_fields=["signed_out_at"])
