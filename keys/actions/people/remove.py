"""Remove a person's access to the portal while they stay in the workspace."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from keys.actions.people.confirm_role import authorize_now
from keys.actions.people.unlink_sso import unlink_person
from keys.audit import log
from keys.models import User
from keys.rules.errors import Conflict, NotFound
from keys.rules.events import Event
from keys.rules.permissions import Action, Actor
from keys.validation.text import check_reason


def remove_person(email: str, actor: Actor | None = None, *, reason: str = "") -> User:
    """Stop the person with ``email`` from signing in, and end their sessions.

    ``actor`` is None on the command line; anybody else must give a reason. ``add_person`` reverses this.
    Raises ``NotFound`` if the portal does not know the person, and ``Conflict`` if they have no access, or if
    ``actor`` has just lost theirs: of two people who remove each other, one stays.
    """
    if actor is not None:
        person = User.objects.filter(email=email.lower()).first()
        actor = authorize_now(actor, Action.REMOVE_PERSON, person=person)
        check_reason(reason)
    with transaction.atomic():
        user = _locked(email, actor)
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
            actor=actor,
            reason=reason,
            person=str(user.pk),
            email=user.email,
            before=before,
            after=after,
        )
        unlink_person(user, actor, reason=reason)
    return user


def _locked(email: str, actor: Actor | None) -> User | None:
    """Return the person, and lock their row and the actor's, in the same order in each process."""
    wanted = Q(email=email.lower())
    wanted |= Q(pk=actor.user_id) if actor is not None else Q()
    people = {user.pk: user for user in User.objects.select_for_update().filter(wanted).order_by("pk")}
    if actor is not None and not people[actor.user_id].is_active:
        raise Conflict("You have just been removed from the portal yourself, so nothing was changed.")
    return next((user for user in people.values() if user.email == email.lower()), None)
