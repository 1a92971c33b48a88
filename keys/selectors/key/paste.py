"""What to enter in Cerby's web app for a key that is waited for, and where it can be saved afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.conf import settings

from keys import cerby
from keys.audit.guard import authorize
from keys.models import ApiKey
from keys.rules import formatting
from keys.rules import scopes as catalogue
from keys.rules.lifecycle import State
from keys.rules.policy import Action, Actor
from keys.rules.scopes import Scope
from keys.selectors.key.page import key_for
from keys.selectors.key.store import listed_vaults


@dataclass(frozen=True)
class Pasting:
    """``vaults`` is empty where Cerby does not list them: then nothing can be saved there from here."""

    key: ApiKey
    expires: str
    scopes: list[Scope]
    cerby_url: str
    vaults: list[cerby.Vault]

    @property
    def is_awaited(self) -> bool:
        return self.key.state == State.AWAITED


def pasting(actor: Actor, key_id: UUID) -> Pasting:
    """Raises ``NotFound``, and ``NotAllowed`` for whoever is not the key's own Owner."""
    key = key_for(actor, key_id)
    authorize(actor, Action.REVEAL_KEY, key)
    return Pasting(
        key=key,
        expires=formatting.to_the_minute(key.expires_at),
        scopes=[catalogue.CATALOGUE[scope] for scope in key.scopes],
        cerby_url=workspace_url(),
        vaults=listed_vaults() if key.state == State.AWAITED else [],
    )


def workspace_url() -> str:
    """Cerby's web app. Cerby (published): ``https://{workspace}.cerby.com``."""
    return f"https://{settings.CERBY_WORKSPACE}.cerby.com"
