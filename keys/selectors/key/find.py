"""Describe a key that somebody found: its owner, its scopes, and who may delete it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from keys.models import ApiKey
from keys.rules import formatting
from keys.rules.lifecycle import CAVEAT, ENDED, State, Status, status
from keys.rules.permissions import Action, Actor, KeyManagement, roles_that_may
from keys.rules.visible import named
from keys.selectors.activity.acts import Shown
from keys.selectors.activity.table import story_of

SHOWN_KEYS_WITH_STORY = 10
SHOWN_EVENTS = 3


@dataclass(frozen=True)
class Answer:
    """``who_may`` lists who may delete the key if the actor may not. ``story`` has the newest events.

    ``is_proved``: the audit log does not contradict that the fingerprint is that of this key.
    """

    id: UUID
    name: str
    owner_name: str
    owner_email: str
    purpose: str
    scopes: str
    status: Status
    caveat: str
    expires: str
    last_used: str
    last_four: str
    story: list[Shown]
    may_see: bool
    may_delete: bool
    who_may: str
    is_proved: bool

    @property
    def is_harmless(self) -> bool:
        ended = self.status is Status.EXPIRED or (self.status is Status.REMOVED and not self.caveat)
        return ended and self.is_proved


def answers(actor: Actor | None, keys: Iterable[ApiKey], unproved: Collection[UUID]) -> list[Answer]:
    """Describe ``keys`` for ``actor``, or for an operator at the command line if it is None."""
    return [
        _answer(
            actor,
            key,
            SHOWN_EVENTS if number < SHOWN_KEYS_WITH_STORY else 0,
            is_proved=key.pk not in unproved,
        )
        for number, key in enumerate(keys)
    ]


def _answer(actor: Actor | None, key: ApiKey, events: int, *, is_proved: bool) -> Answer:
    now = timezone.now()
    may_see = actor is not None and actor.may(Action.SEE_KEY, key)
    may_delete = actor is not None and actor.may(Action.DELETE_KEY, key)
    management = KeyManagement(settings.PORTAL_KEY_MANAGEMENT)
    return Answer(
        id=key.id,
        name=named(key.name),
        owner_name=key.owner_name,
        owner_email=key.owner_email,
        purpose=key.purpose,
        scopes=formatting.scope_list(key.scopes),
        status=status(key.phase, key.expires_at, now),
        caveat=CAVEAT.get(State(key.state), ""),
        expires=formatting.exact(key.expires_at),
        last_used=_last_used(key, now),
        last_four=key.last_four,
        story=story_of(key, events) if may_see and events else [],
        may_see=may_see,
        may_delete=may_delete and key.state not in ENDED,
        who_may="" if may_delete else ", ".join(roles_that_may(Action.DELETE_KEY, management)),
        is_proved=is_proved,
    )


def _last_used(key: ApiKey, now: datetime) -> str:
    is_known = not key.is_deleted_by_hand or key.use_read_by_id is not None
    words = formatting.last_used(key.last_used_at, now, is_known=is_known)
    return f"{words} ({formatting.exact(key.last_used_at)})" if key.last_used_at else words
