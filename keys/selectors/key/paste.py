"""Return the data for the page to paste a key that was generated in Cerby's web app."""

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
from keys.rules.permissions import Action, Actor
from keys.rules.scopes import Scope
from keys.selectors.key.page import key_for
from keys.selectors.key.store import listed_vaults


@dataclass(frozen=True)
class PastePage:
    """``vaults`` is empty if Cerby doesn't list them. Then the key can't be saved in Cerby from the page."""

    key: ApiKey
    expires: str
    scopes: list[Scope]
    cerby_url: str
    keys_path: str
    vaults: list[cerby.Vault]

    @property
    def is_awaited(self) -> bool:
        return self.key.state == State.AWAITED


def paste_page(actor: Actor, key_id: UUID) -> PastePage:
    """Raise ``NotFound``, or ``NotAllowed`` if the actor doesn't own the key."""
    key = key_for(actor, key_id)
    authorize(actor, Action.REVEAL_KEY, key)
    return PastePage(
        key=key,
        expires=formatting.to_the_minute(key.expires_at),
        scopes=[catalogue.CATALOGUE[scope] for scope in key.scopes],
        cerby_url=workspace_url(),
        keys_path=settings.CERBY_KEYS_PATH,
        vaults=listed_vaults() if key.state == State.AWAITED else [],
    )


def workspace_url() -> str:
    """Return the address of Cerby's web app, ``https://{workspace}.cerby.com`` (published by Cerby)."""
    return f"https://{settings.CERBY_WORKSPACE}.cerby.com"
