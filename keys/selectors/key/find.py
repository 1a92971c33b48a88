"""Describe a key that somebody found: its owner, its scopes, and who may delete it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from keys.models import ApiKey
from keys.rules import formatting
from keys.rules.lifecycle import CAVEAT, ENDED, State, Status, status
from keys.rules.policy import Action, Actor, KeyManagement, roles_that_may


@dataclass(frozen=True)
class Answer:
    """``who_may`` lists who may delete the key if the actor may not."""

    id: UUID
    name: str
    owner_name: str
    owner_email: str
    purpose: str
    scopes: str
    status: Status
    caveat: str
    expires: str
    last_four: str
    may_see: bool
    may_delete: bool
    who_may: str

    @property
    def is_harmless(self) -> bool:
        return self.status is Status.EXPIRED or (self.status is Status.REMOVED and not self.caveat)


def answers(actor: Actor | None, keys: Iterable[ApiKey]) -> list[Answer]:
    """Describe ``keys`` for ``actor``, or for an operator at the command line if it is None."""
    return [_answer(actor, key) for key in keys]


def _answer(actor: Actor | None, key: ApiKey) -> Answer:
    may_delete = actor is not None and actor.may(Action.DELETE_KEY, key)
    management = KeyManagement(settings.PORTAL_KEY_MANAGEMENT)
    return Answer(
        id=key.id,
        name=key.name,
        owner_name=key.owner_name,
        owner_email=key.owner_email,
        purpose=key.purpose,
        scopes=formatting.scope_list(key.scopes),
        status=status(key.phase, key.expires_at, timezone.now()),
        caveat=CAVEAT.get(State(key.state), ""),
        expires=formatting.exact(key.expires_at),
        last_four=key.last_four,
        may_see=actor is not None and actor.may(Action.SEE_KEY, key),
        may_delete=may_delete and key.state not in ENDED,
        who_may="" if may_delete else ", ".join(roles_that_may(Action.DELETE_KEY, management)),
    )
