"""Remove a person's access to the portal while they stay in the workspace."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from keys.audit import log
from keys.models import User
from keys.rules.errors import Conflict, NotFound
from keys.rules.events import Event


def remove_person(email: str) -> User:
    """Stop the person with ``email`` from signing in, and end their sessions. For the command line.

    ``add_person`` reverses this. Raises ``NotFound`` if the portal does not know the person, and ``Conflict``
    if they have no access.
    """
    with transaction.atomic():
        user = User.objects.select_for_update().filter(email=email.lower()).first()
        if user is None:
            raise NotFound(f"The portal knows nobody with the email {email}.")
        if user.added_at is None:
            raise Conflict(f"{user.email} was never added to the portal, or has already been removed.")
        before = {"may sign in": "yes"} if user.is_active else {}
        user.added_at, user.is_active, user.signed_out_at = None, False, timezone.now()
        user.save(update_fields=["added_at", "is_active", "signed_out_at"])
        after = dict.fromkeys(before, "no")
        log.append(
            Event.PERSON_REMOVED,
            actor=None,
            person=str(user.pk),
            email=user.email,
            before=before,
            after=after,
        )
    return user
