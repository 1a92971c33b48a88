"""One person: their role and its history, their keys, what they did and what was done to those keys."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Q
from django.utils import timezone

from keys.audit.events import Event
from keys.audit.guard import authorize
from keys.errors import NotFound
from keys.lifecycle import Status, status
from keys.models import LISTED, ApiKey, AuditEvent, User
from keys.policy import Action, Actor, Role
from keys.selectors.activity import EventRow, newest
from keys.selectors.activity_filter import by_owner

SHOWN_KEYS, SHOWN_EVENTS = 20, 50
_ROLE_EVENTS = (Event.PERSON_ADDED.value, Event.PERSON_REMOVED.value, Event.PERSON_CHANGED.value)


@dataclass(frozen=True)
class PersonPage:
    """Everything newest first. ``more_keys``: they own more than are shown."""

    person: User
    role: str
    keys: list[tuple[ApiKey, Status]]
    more_keys: bool
    history: list[EventRow]
    did: list[EventRow]
    done_to_keys: list[EventRow]


def _about(person: User) -> Q:
    """Events whose details name ``person``: personal values stand beside the leaf, by their path in it."""
    return Q(("personal__details.email", person.email))


def _with_status(keys: list[ApiKey]) -> list[tuple[ApiKey, Status]]:
    now = timezone.now()
    return [(key, status(key.phase, key.expires_at, now)) for key in keys]


def person_page(actor: Actor, user_id: int) -> PersonPage:
    """Raises ``NotAllowed`` and ``NotFound``."""
    authorize(actor, Action.SEE_ACTIVITY)
    person = User.objects.filter(pk=user_id).first()
    if person is None:
        raise NotFound("The portal knows no such person.")
    events = AuditEvent.objects.all()
    owned = list(ApiKey.objects.filter(LISTED, owner=person).order_by("-created_at", "-id")[: SHOWN_KEYS + 1])
    return PersonPage(
        person=person,
        role=Role(person.role).label,
        keys=_with_status(owned[:SHOWN_KEYS]),
        more_keys=len(owned) > SHOWN_KEYS,
        history=newest(events.filter(Q(type__in=_ROLE_EVENTS) & _about(person)), SHOWN_EVENTS),
        did=newest(events.filter(actor_email=person.email), SHOWN_EVENTS),
        done_to_keys=newest(by_owner(events, person.email), SHOWN_EVENTS),
    )
