"""Remove all second factors of another person, who has lost them."""

from __future__ import annotations

from django.db import transaction
from django.urls import reverse

from keys.actions.notifications.notify import notify
from keys.actions.people.confirm_role import authorize_now
from keys.actions.people.forget_factors import forget_factors
from keys.actions.people.one_person import person_in_turn, sign_out_everywhere
from keys.models import User
from keys.rules.errors import Conflict
from keys.rules.notifications import Kind
from keys.rules.permissions import Action, Actor
from keys.validation.text import check_reason


def reset_factors(actor: Actor | None, user_id: int, *, reason: str) -> User:
    """Remove the factors and the recovery codes of a person, and end their sessions.

    Their password alone signs them in then. ``actor`` is None on the command line. Raises ``NotFound`` if the
    portal does not know the person, and ``Conflict`` if they have no second factor.
    """
    person = User.objects.filter(pk=user_id).first()
    if actor is not None:
        actor = authorize_now(actor, Action.RESET_FACTORS, person=person)
    check_reason(reason)
    with transaction.atomic():
        user = person_in_turn(user_id)
        if not forget_factors(actor, user, reason=reason):
            raise Conflict(f"{user.name} has no second factor.")
        sign_out_everywhere(user)
        notify(
            Kind.FACTORS_RESET,
            words=f"{actor.name if actor else 'The person who runs the portal'} removed your second factors.",
            path=reverse("keys:account"),
            to=[user],
            mail=False,  # the view mails the reason, the address and the browser
        )
    return user
