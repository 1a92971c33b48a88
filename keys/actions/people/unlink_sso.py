"""End a person's links with accounts of sign-in providers."""

from __future__ import annotations

from django.db import transaction

from keys.actions.people.confirm_role import authorize_now
from keys.actions.people.one_person import person_in_turn, sign_out_everywhere
from keys.audit import log
from keys.models import SsoLink, User
from keys.rules.errors import Conflict
from keys.rules.events import Event
from keys.rules.permissions import Action, Actor
from keys.selectors.sso.link import why_not_unlink_own
from keys.validation.text import check_reason

NOT_LINKED = "is not linked with SSO."


def unlink_sso(actor: Actor, user_id: int, *, reason: str) -> User:
    """Unlink another person, and end their sessions.

    Raises ``NotFound`` if the portal does not know the person, and ``Conflict`` if they are not linked.
    """
    person = User.objects.filter(pk=user_id).first()
    actor = authorize_now(actor, Action.UNLINK_SSO, person=person)
    check_reason(reason)
    with transaction.atomic():
        user = person_in_turn(user_id)
        if not unlink_person(user, actor, reason=reason):
            raise Conflict(f"{user.name} {NOT_LINKED}")
        sign_out_everywhere(user)
    return user


def unlink_own_sso(actor: Actor) -> User:
    """Unlink oneself. The sessions go on. Raises ``Conflict`` if no other way to sign in remains."""
    with transaction.atomic():
        user = User.objects.select_for_update().get(pk=actor.user_id)
        why_not = why_not_unlink_own(user)
        if why_not:
            raise Conflict(why_not)
        if not unlink_person(user, actor):
            raise Conflict(f"Your account {NOT_LINKED}")
    return user


def unlink_person(user: User, actor: Actor | None, *, reason: str = "") -> bool:
    """Delete the links of ``user`` in the caller's transaction, and return whether there were any.

    The next sign-in with SSO is a first one.
    """
    links = list(SsoLink.objects.select_for_update().filter(user=user))
    for link in links:
        log.append(
            Event.SSO_UNLINKED,
            actor=actor,
            reason=reason,
            person=str(user.pk),
            email=user.email,
            provider=link.issuer,
        )
        link.delete()
    return bool(links)
