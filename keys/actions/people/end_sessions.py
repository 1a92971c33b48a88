"""End all sessions of a person, who may sign in again."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from keys.actions.people.confirm_role import authorize_now
from keys.audit import log
from keys.models import User
from keys.rules.errors import NotFound
from keys.rules.events import Event
from keys.rules.policy import Action, Actor
from keys.validation.text import check_reason


def end_sessions(actor: Actor, user_id: int, *, reason: str) -> User:
    """Sign the person out in every browser. Their next request leads to the sign-in page.

    Raises ``NotFound`` if the portal does not know the person.
    """
    person = User.objects.filter(pk=user_id).first()
    actor = authorize_now(actor, Action.END_SESSIONS, person=person)
    check_reason(reason)
    with transaction.atomic():
        user = User.objects.select_for_update().filter(pk=user_id).first()
        if user is None:
            raise NotFound("The portal does not know this person.")
        user.signed_out_at = timezone.now()
        user.save(update_fields=["signed_out_at"])
        log.append(Event.SESSIONS_ENDED, actor=actor, reason=reason, person=str(user.pk), email=user.email)
    return user
