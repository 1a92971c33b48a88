"""Take the portal away from a person who stays in the workspace."""

from __future__ import annotations

from django.db import transaction

from keys.audit import log
from keys.models import User
from keys.rules.errors import Conflict, NotFound
from keys.rules.events import Event


def remove_person(email: str) -> User:
    """The person with the address ``email`` may not sign in any more; a session ends with its next request.

    An operator's act, from the command line; ``add_person`` undoes it. Raises ``NotFound`` where the portal
    knows no such person, and ``Conflict`` where they were not added.
    """
    with transaction.atomic():
        user = User.objects.select_for_update().filter(email=email.lower()).first()
        if user is None:
            raise NotFound(f"The portal knows nobody with the e-mail {email}.")
        if user.added_at is None:
            raise Conflict(f"{user.email} was not let into the portal, or was removed from it already.")
        before = {"may sign in": "yes"} if user.is_active else {}
        user.added_at, user.is_active = None, False
        user.save(update_fields=["added_at", "is_active"])
        after = dict.fromkeys(before, "no")
        log.append(Event.PERSON_REMOVED, actor=None, email=user.email, before=before, after=after)
    return user
