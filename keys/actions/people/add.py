"""Let a person of the workspace sign in to the portal."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from keys import cerby
from keys.actions.dropped import note_dropped
from keys.actions.people.confirm_role import authorize_now
from keys.actions.people.copies import update_copies
from keys.actions.people.refresh import LIVE, apply_upstream, create_unknown_users, store_upstream
from keys.audit import log
from keys.audit.guard import authorize
from keys.models import User
from keys.rules.errors import Conflict, Invalid, NotFound
from keys.rules.events import Event
from keys.rules.permissions import Action, Actor


def add_person(email: str, actor: Actor | None = None, *, link: str = "", reason: str = "") -> User:
    """Allow the person with ``email`` in Cerby to sign in, with their role from Cerby.

    ``actor`` is None on the command line, which makes a new link for a person who was added already. For
    anybody else, that is a ``Conflict``. ``reason``: why the portal itself adds them. ``link``: "mailed" or
    "shown", for the audit log; a person with a password gets none. Raises ``NotFound`` if Cerby does not know
    the person, ``Invalid`` if they are not live there, and ``CerbyError``.
    """
    if actor is not None:
        actor = authorize_now(actor, Action.ADD_PERSON)
    asked_at = timezone.now()
    user, person = _from_cerby(email)
    if actor is not None:  # with the role of now
        user = apply_upstream(person, user, asked_at=asked_at)
        authorize(actor, Action.ADD_PERSON, person=user)
    with transaction.atomic():
        added = User.objects.select_for_update().get(pk=user.pk)
        if added.added_at is None:
            added.added_at = timezone.now()
            added.save(update_fields=["added_at"])
            needs_link = added.may_use_password and not added.has_usable_password()
            _record(actor, added, link if needs_link else "", reason)
        elif actor is not None:
            raise Conflict(
                f"{added.email} was added already. If they lost their password, they choose "
                "“Forgot your password?” on the sign-in page."
            )
        changed = store_upstream(person, added, asked_at=timezone.now())
    for person_id in changed:
        update_copies(person_id)
    return added


def _from_cerby(email: str) -> tuple[User, cerby.Person]:
    """Return the row of a person who is live in Cerby, with the role that Cerby gives now."""
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
    return User.objects.get(cerby_id=person.id), person


def _record(actor: Actor | None, user: User, link: str, reason: str) -> None:
    details: dict[str, Any] = {"person": str(user.pk), "email": user.email, "role": user.role_in_words}
    if link:
        details["link"] = link
    log.append(Event.PERSON_ADDED, actor=actor, reason=reason, **details)
