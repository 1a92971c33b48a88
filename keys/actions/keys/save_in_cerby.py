"""Save a new key as a secret in one of Cerby's vaults."""

from __future__ import annotations

from uuid import UUID

from django.utils import timezone

from keys import cerby
from keys.actions.transition import transition
from keys.audit import log
from keys.audit.guard import authorize
from keys.models import ApiKey
from keys.rules.errors import CerbyError, CerbyInDoubt, Conflict, Invalid
from keys.rules.events import Event
from keys.rules.lifecycle import State, Transition
from keys.rules.policy import Action, Actor
from keys.selectors.key.by_plain_text import has_plain_text
from keys.selectors.key.page import key_for


def save_in_cerby(actor: Actor, key_id: UUID, *, secret: str, vault_id: UUID | None) -> str:
    """Save ``secret``, the plain text of ``key_id``, in a vault, and return the vault's name.

    ``vault_id`` may be None if the workspace has only one vault. Raises ``Invalid`` if ``secret`` is not
    this key's plain text or the vault is unknown, ``Conflict`` if nobody viewed the key, and ``CerbyError``.
    """
    key = key_for(actor, key_id)
    authorize(actor, Action.REVEAL_KEY, key)
    if key.state != State.CLAIMED:
        raise Conflict("This key is not waiting to be stored. Reload the page to see its state.")
    _check_is_this_key(actor, key, secret)
    vault = _vault(vault_id)
    log.append(Event.KEY_SAVE_STARTED, actor=actor, key=key, vault=vault.name)
    try:
        cerby.connect().save_secret(title=key.name, body=secret, vault_id=vault.id)
    except CerbyError as error:
        _record_failure(actor, key, vault, error)
        raise
    changes = {"stored_at": timezone.now(), "stored_in": vault.name[:200]}
    transition(
        key,
        Transition.STORE,
        Event.KEY_STORED,
        actor,
        changes=changes,
        how="saved in Cerby",
        vault=vault.name,
    )
    return vault.name


def _check_is_this_key(actor: Actor, key: ApiKey, secret: str) -> None:
    if not has_plain_text(key, secret):
        sentence = "The text that was sent is not this key. Nothing was saved."
        log.append(Event.KEY_STORED, actor=actor, key=key, outcome=log.Outcome.REFUSED, reason=sentence)
        raise Invalid(sentence)


def _vault(vault_id: UUID | None) -> cerby.Vault:
    vaults = cerby.connect().vaults()
    if vault_id is None and len(vaults) == 1:
        return vaults[0]
    for vault in vaults:
        if vault.id == vault_id:
            return vault
    raise Invalid("Select one of the vaults in the list.", vault="Select one of the vaults in the list.")


def _record_failure(actor: Actor, key: ApiKey, vault: cerby.Vault, error: CerbyError) -> None:
    reason = error.sentence
    if isinstance(error, CerbyInDoubt):
        reason += f" Look in the vault “{vault.name}” before you save it again."
    log.append(
        Event.KEY_STORED,
        actor=actor,
        key=key,
        outcome=log.Outcome.FAILED,
        reason=reason,
        how="saved in Cerby",
        vault=vault.name,
    )
