"""Where a new key stands between being generated and being stored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils import timezone

from keys import cerby
from keys.audit.guard import authorize
from keys.models import ApiKey, RevealGrant
from keys.rules.errors import CerbyError
from keys.rules.lifecycle import ENDED, State, Status, status
from keys.rules.policy import Action, Actor
from keys.selectors.key.page import grant_of, key_for


@dataclass(frozen=True)
class Storing:
    """``vaults`` is empty where Cerby has one vault or could not be asked; then none is selected."""

    key: ApiKey
    grant: RevealGrant | None
    can_view: bool
    view_expires_at: datetime | None
    vaults: list[cerby.Vault]
    can_save: bool
    was_pasted: bool

    @property
    def status(self) -> Status:
        return status(self.key.phase, self.key.expires_at, timezone.now())

    @property
    def is_pending(self) -> bool:
        return self.key.state in {State.REQUESTED, State.CALLING}

    @property
    def never_arrived(self) -> bool:
        """Cerby made the key, its plain text was lost on the way, and so there never was a view of it."""
        was_made = self.key.origin == ApiKey.Origin.GENERATED and self.key.stored_at is None
        return self.grant is None and was_made and self.key.state in {State.REVOKING, State.REVOKED}

    @property
    def has_ended(self) -> bool:
        return self.key.state in ENDED

    @property
    def is_to_be_made_again(self) -> bool:
        return self.has_ended or self.never_arrived

    @property
    def can_acknowledge(self) -> bool:
        return self.key.state in {State.READY, State.CLAIMED}


def storing(actor: Actor, key_id: UUID) -> Storing:
    """Raises ``NotFound``, and ``NotAllowed`` for whoever is not the key's own Owner."""
    key = key_for(actor, key_id)
    authorize(actor, Action.REVEAL_KEY, key)
    grant = grant_of(key)
    ready = grant is not None and grant.state == RevealGrant.GrantState.READY
    can_view = ready and grant is not None and grant.expires_at > timezone.now()
    vaults = vaults_offered() if can_view else []
    return Storing(
        key=key,
        grant=grant,
        can_view=can_view,
        view_expires_at=grant.expires_at if grant and can_view else None,
        vaults=vaults if len(vaults) > 1 else [],
        can_save=bool(vaults),
        was_pasted=key.origin == ApiKey.Origin.PASTED,
    )


def vaults_offered() -> list[cerby.Vault]:
    """Cerby's vaults; none where Cerby does not list them."""
    try:
        return cerby.connect().vaults()
    except CerbyError:
        return []
