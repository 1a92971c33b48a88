"""End all sessions of a person, who may sign in again."""

from __future__ import annotations

from django.db import transaction

from keys.actions.people.confirm_role import authorize_now
from keys.actions.people.one_person import person_in_turn, sign_out_everywhere
from keys.audit import log
from keys.models import User
from keys.rules.events import Event
from keys.rules.permissions import Action, Actor
from keys.validation.text import check_reason


def end_sessions(actor: Actor, user_id: int, *, reason: str) -> User:
    """Sign the person out in every browser. Their next request leads to the sign-in page.

    Raises ``NotFound`` if the portal does not know the person.
    """
    person = User.objects.filter(pk=user_id).first()
    actor = authorize_now(actor, Action.END_SESSIONS, person=person)
    check_reason(reason)
    with transaction.atomic():
        user = person_in_turn(user_id)
        sign_out_everywhere(user)
        log.append(Event.SESSIONS_ENDED, actor=actor, reason=reason, person=str(user.pk), email=user.email)
    return user
