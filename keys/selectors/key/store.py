"""Return the data for the "Store your API key" page."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from keys import cerby
from keys.audit.guard import authorize
from keys.cerby.client import checked_base_url
from keys.cerby.probe import PROBES
from keys.models import ApiKey, RevealGrant
from keys.rules.errors import CerbyError
from keys.rules.lifecycle import ENDED, State, Status, status
from keys.rules.permissions import Action, Actor
from keys.rules.scopes import reach
from keys.selectors.key.page import grant_of, key_for
from keys.selectors.key.reach import ReachOfKey, reach_of
from keys.selectors.policy.enforce import must_be_in_vault

_A_PAGE_WAITS = 3  # seconds
_CAN_BE_ACKNOWLEDGED = {State.READY, State.CLAIMED}


class StoreStage(enum.StrEnum):
    """The situation that the page shows. Each stage has a template in templates/keys/_store_*.html."""

    VIEW = "view"
    """The key can be viewed now, once."""
    PENDING = "pending"
    """The portal is asking Cerby for the key."""
    ANSWER_LOST = "answer_lost"
    """Cerby may have made the key, but its answer did not arrive."""
    VIEWED = "viewed"
    """The one view has been used."""
    AWAITING_PASTE = "awaiting_paste"
    """The key is to be generated in Cerby's web app and pasted here."""
    PASTED = "pasted"
    """The key was pasted, and its owner has not confirmed yet that it is stored."""
    VIEW_EXPIRED = "view_expired"
    """Nobody viewed the key in time."""
    NEVER_ARRIVED = "never_arrived"
    """Cerby made the key, but its plain text did not arrive, so nobody could ever view it."""
    NOTHING_TO_STORE = "nothing_to_store"
    """No other stage applies: for example, the key is stored already, or it was deleted."""


@dataclass(frozen=True)
class StorePage:
    """The data for the page.

    ``vaults`` is empty if there is nothing to choose, because Cerby has one vault or did not list its
    vaults. ``can_save`` is false only if it listed none. ``view_expires_at`` is set in the stage ``VIEW``
    only. ``example`` is a command to try the key with, or empty if there is no key to try, or no published
    list that its scopes open.
    """

    key: ApiKey
    grant: RevealGrant | None
    stage: StoreStage
    view_expires_at: datetime | None
    vaults: list[cerby.Vault]
    can_save: bool
    read_at: datetime
    example: str
    reach: ReachOfKey | None

    @property
    def was_pasted(self) -> bool:
        return _was_pasted(self.key)

    @property
    def status(self) -> Status:
        return status(self.key.phase, self.key.expires_at, timezone.now())

    @property
    def has_ended(self) -> bool:
        return self.key.state in ENDED

    @property
    def can_generate_another(self) -> bool:
        return self.has_ended or _never_arrived(self.key, self.grant)

    @cached_property
    def needs_vault(self) -> bool:
        """Return whether only saving it in Cerby counts as storing this key."""
        return must_be_in_vault(self.key)

    @property
    def can_acknowledge(self) -> bool:
        return self.key.state in _CAN_BE_ACKNOWLEDGED


def store_page(actor: Actor, key_id: UUID) -> StorePage:
    """Return the page's data. Raise ``NotFound``, or ``NotAllowed`` if the actor doesn't own the key."""
    key = key_for(actor, key_id)
    authorize(actor, Action.REVEAL_KEY, key)
    grant = grant_of(key)
    stage = _stage(key, grant)
    can_view = stage is StoreStage.VIEW
    vaults = listed_vaults() if can_view else []
    return StorePage(
        key=key,
        grant=grant,
        stage=stage,
        view_expires_at=grant.expires_at if grant and can_view else None,
        vaults=vaults if len(vaults) > 1 else [],
        can_save=bool(vaults),
        read_at=timezone.now(),
        example=_example(key) if stage in {StoreStage.VIEW, StoreStage.PASTED} else "",
        reach=reach_of(key),
    )


def _example(key: ApiKey) -> str:
    """Return a command that reads a list that the key's scopes open, without the key itself."""
    opened = reach(key.scopes)
    path = next((probe.path for probe in PROBES if probe.opened_by & opened), "")
    url = f"{checked_base_url(settings.CERBY_BASE_URL)}{path}"
    return f'curl -H "X-API-Key: $API_KEY" {url}' if path else ""


def listed_vaults() -> list[cerby.Vault]:
    """Return Cerby's vaults, or an empty list if Cerby doesn't list them soon."""
    try:
        return cerby.connect().vaults(within=_A_PAGE_WAITS)
    except CerbyError:
        return []


def _stage(key: ApiKey, grant: RevealGrant | None) -> StoreStage:  # noqa: PLR0911 - one return per stage
    if grant and grant.state == RevealGrant.GrantState.READY and grant.expires_at > timezone.now():
        return StoreStage.VIEW
    if key.state in {State.REQUESTED, State.CALLING}:
        return StoreStage.PENDING
    if key.state == State.IN_DOUBT:
        return StoreStage.ANSWER_LOST
    if grant and grant.state == RevealGrant.GrantState.CLAIMED:
        return StoreStage.VIEWED
    if key.state == State.AWAITED:
        return StoreStage.AWAITING_PASTE
    if _was_pasted(key) and key.state in _CAN_BE_ACKNOWLEDGED:
        return StoreStage.PASTED
    if key.state == State.READY:
        return StoreStage.VIEW_EXPIRED
    return StoreStage.NEVER_ARRIVED if _never_arrived(key, grant) else StoreStage.NOTHING_TO_STORE


def _was_pasted(key: ApiKey) -> bool:
    return key.origin == ApiKey.Origin.PASTED


def _never_arrived(key: ApiKey, grant: RevealGrant | None) -> bool:
    was_made = key.origin == ApiKey.Origin.GENERATED and key.stored_at is None
    return grant is None and was_made and key.state in {State.REVOKING, State.REVOKED}
