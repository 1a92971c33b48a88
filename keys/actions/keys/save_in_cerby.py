"""Save a new key as a secret in one of Cerby's vaults, and share the secret with the key's owner."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from keys import cerby
from keys.actions.transition import transition
from keys.audit import log
from keys.audit.guard import authorize
from keys.audit.refusals import Refusal, record_or_count
from keys.models import ApiKey, AuditEvent
from keys.rules.errors import CerbyError, CerbyInDoubt, CerbyNeverReached, Conflict, Invalid
from keys.rules.events import Event
from keys.rules.lifecycle import State, Transition
from keys.rules.permissions import Action, Actor
from keys.selectors.key.by_plain_text import has_plain_text
from keys.selectors.key.page import key_for

CLOCK_TOLERANCE = timedelta(minutes=2)
SAVING_TAKES_AT_MOST = timedelta(seconds=90)
"""A save that started longer ago sends no more secrets, so another save may start."""
SENT_WITHIN = SAVING_TAKES_AT_MOST - timedelta(seconds=30)
"""The request that makes the secret takes up to 30 seconds, so it must be sent before that."""

logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Saved:
    """``not_shared`` says why the key's owner cannot open the secret and what to do, or is empty."""

    vault: str
    not_shared: str

    @property
    def sentence(self) -> str:
        """Complete "saved in Cerby, …"."""
        with_you = ", and shared with you as an owner of the secret." if not self.not_shared else "."
        return f"in the vault “{self.vault}”{with_you} {self.not_shared}".strip()


@dataclass(frozen=True)
class _Earlier:
    """The saves that were started before. ``first_at``: the first start; ``vault``: the vault of the last."""

    first_at: datetime
    vault: str


@dataclass(frozen=True)
class _Start:
    """The start of this save. ``event``: its event's id."""

    event: int
    at: datetime
    earlier: _Earlier | None


@sensitive_variables("secret")
def save_in_cerby(actor: Actor, key_id: UUID, *, secret: str, vault_id: UUID | None) -> Saved:
    """Save ``secret``, the plain text of ``key_id``, in a vault, and make the key's owner its owner.

    ``vault_id`` may be None if the workspace has only one vault. If an earlier attempt did save the key after
    all, no second secret is made. A failure to share does not undo the save.

    Raises ``Invalid`` if ``secret`` is not this key's plain text or the vault is unknown, ``Conflict`` if
    nobody viewed the key or it is being saved at the moment, and ``CerbyError``.
    """
    key = key_for(actor, key_id)
    authorize(actor, Action.REVEAL_KEY, key)
    _check_is_claimed(key)
    _check_is_this_key(actor, key, secret)
    client = cerby.connect()
    vault = _vault(client, vault_id)
    start = _start(actor, key, vault)
    earlier = start.earlier
    try:
        made = _made_after_all(client, key, earlier.first_at) if earlier else None
        name = earlier.vault if earlier and made else vault.name
        if made is None:
            _check_is_in_time(start)
            made = _save(client, key, vault, secret)
    except CerbyError as error:
        _record_failure(actor, key, vault, start, error)
        raise
    saved = Saved(name, _share(client, key, made))
    transition(
        key,
        Transition.STORE,
        Event.KEY_STORED,
        actor,
        changes={"stored_at": timezone.now(), "stored_in": name[:200]},
        reason=saved.not_shared,
        how="saved in Cerby",
        vault=name,
        secret_id=str(made.id),
        shared="no" if saved.not_shared else "yes",
    )
    return saved


def _check_is_claimed(key: ApiKey) -> None:
    if key.state != State.CLAIMED:
        raise Conflict("This key is not waiting to be stored. Reload the page to see its state.")


def _check_is_this_key(actor: Actor, key: ApiKey, secret: str) -> None:
    if not has_plain_text(key, secret):
        sentence = "The text that was sent is not this key. Nothing was saved."
        record_or_count(Refusal(Event.KEY_STORED, actor, sentence, key, of=str(key.pk)))
        raise Invalid(sentence)


def _vault(client: cerby.CerbyClient, vault_id: UUID | None) -> cerby.Vault:
    vaults = client.vaults()
    if vault_id is None and len(vaults) == 1:
        return vaults[0]
    for vault in vaults:
        if vault.id == vault_id:
            return vault
    raise Invalid("Select one of the vaults in the list.", vault="Select one of the vaults in the list.")


def _start(actor: Actor, key: ApiKey, vault: cerby.Vault) -> _Start:
    """Record the start of a save. Two saves of a key do not overlap."""
    with transaction.atomic():
        _check_is_claimed(ApiKey.objects.select_for_update(no_key=True).get(pk=key.pk))
        saves = AuditEvent.objects.filter(key_id=key.pk, type__in=[Event.KEY_SAVE_STARTED, Event.KEY_STORED])
        # a refused text ends no save
        events = list(saves.exclude(outcome=log.Outcome.REFUSED).order_by("id"))
        if events and events[-1].type == Event.KEY_SAVE_STARTED:
            _check_has_ended(events[-1].at)
        log.append(Event.KEY_SAVE_STARTED, actor=actor, key=key, vault=vault.name)
        started = saves.filter(type=Event.KEY_SAVE_STARTED).latest("id")
    starts = [event for event in events if event.type == Event.KEY_SAVE_STARTED]
    earlier = _Earlier(starts[0].at, str(starts[-1].details.get("vault", ""))) if starts else None
    return _Start(started.pk, started.at, earlier)


def _check_is_in_time(start: _Start) -> None:
    """Raise ``CerbyNeverReached`` if another save could start before this one's request is over."""
    if timezone.now() > start.at + SENT_WITHIN:
        raise CerbyNeverReached(
            "Cerby took too long to list the vault's secrets, so nothing was saved. Try again in a minute."
        )


def _check_has_ended(started_at: datetime) -> None:
    left = started_at + SAVING_TAKES_AT_MOST - timezone.now()
    if left > timedelta():
        seconds = int(left.total_seconds()) + 1
        raise Conflict(f"This key is being saved at this moment. Look again in {seconds} seconds.")


@sensitive_variables("secret")
def _save(client: cerby.CerbyClient, key: ApiKey, vault: cerby.Vault, secret: str) -> cerby.Secret:
    """Save the key. If the answer is lost, look for the secret before the outcome counts as unknown."""
    started_at = timezone.now()
    try:
        expires_at = key.expires_at if key.expires_at > started_at else None
        return client.save_secret(title=key.name, body=secret, vault_id=vault.id, expires_at=expires_at)
    except CerbyInDoubt as doubt:
        try:
            made = _made_after_all(client, key, started_at)
        except CerbyError:
            made = None
        if made is None:
            raise doubt from None
        return made


def _made_after_all(client: cerby.CerbyClient, key: ApiKey, since: datetime) -> cerby.Secret | None:
    """Return the secret that a save after ``since`` made although its answer was lost. Raises ``CerbyError``.

    Cerby knows no identifier of ours, so the secret is recognised by its title and time. If another key of
    this name was saved meanwhile, that proves nothing.
    """
    since -= CLOCK_TOLERANCE
    others = AuditEvent.objects.filter(type=Event.KEY_SAVE_STARTED, key_name=key.name, at__gte=since)
    found = [
        secret
        for secret in client.secrets_called(key.name)
        if secret.created_at is not None and secret.created_at >= since
    ]
    if not found or others.exclude(key_id=key.pk).exists():
        return None
    return max(found, key=lambda secret: secret.created_at or since)


def _share(client: cerby.CerbyClient, key: ApiKey, made: cerby.Secret) -> str:
    """Make the key's owner an owner of the secret, and return "" or why that did not work."""
    try:
        client.share_secret(
            made.id, with_person=key.owner_cerby_id, message="This API key was saved by the key portal."
        )
    except CerbyError as error:
        logger.warning("secret_not_shared", key_id=str(key.pk), cerby_id=str(made.id))
        holder = "the owner of the portal's API key"
        if not settings.CERBY_API_KEY:
            holder = "the person whose token the portal uses"
        return (
            f"It could not be shared with the key's owner, so only {holder} can open the secret. "
            f"Ask them to open it in Cerby and to share it with the key's owner. {error.sentence}"
        )
    return ""


def _record_failure(actor: Actor, key: ApiKey, vault: cerby.Vault, start: _Start, error: CerbyError) -> None:
    """Record that the save failed, unless a later one has started: it would look as if that one had ended."""
    reason = error.sentence
    if isinstance(error, CerbyInDoubt):
        reason += f" Look in the vault “{vault.name}” before you save it again."
    with transaction.atomic():
        ApiKey.objects.select_for_update(no_key=True).get(pk=key.pk)
        later = AuditEvent.objects.filter(key_id=key.pk, type=Event.KEY_SAVE_STARTED, pk__gt=start.event)
        if later.exists():
            return
        log.append(
            Event.KEY_STORED,
            actor=actor,
            key=key,
            outcome=log.Outcome.FAILED,
            reason=reason,
            how="saved in Cerby",
            vault=vault.name,
        )
