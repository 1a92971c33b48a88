"""Correct the name, owner or expiry of a key that was registered with wrong values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from keys.actions.keys.register import wait_for_other_declarations
from keys.actions.people.accountable import known_person
from keys.actions.people.confirm_role import authorize_now
from keys.actions.reviews.void import follow_certificate
from keys.audit import log
from keys.models import ApiKey, User
from keys.rules.errors import Conflict, Invalid
from keys.rules.events import Event
from keys.rules.folded_text import fold
from keys.rules.lifecycle import Phase, State
from keys.rules.permissions import Action, Actor
from keys.selectors.key.page import key_for
from keys.validation.existing_key import LONGEST_AHEAD, check_existing_name, is_taken, refuse_copy
from keys.validation.ownership import REASON_LENGTH
from keys.validation.text import check_text


@dataclass(frozen=True)
class Correction:
    """``owner_email`` is in lower case. ``reason`` says why the registered values were wrong."""

    name: str
    owner_email: str
    expires_at: datetime
    reason: str


def correct_key(actor: Actor, key_id: UUID, correction: Correction, *, version: int) -> bool:
    """Store ``correction``, made on ``version`` of the key. Return whether anything changed.

    Raises ``Invalid``, and ``Conflict`` if Cerby confirms the key's values or another person changed the key.
    """
    key = key_for(actor, key_id)
    actor = authorize_now(actor, Action.CORRECT_KEY, key)
    if not key.is_only_registered:
        raise Conflict("Only a registered key can be corrected, and only while Cerby does not list it.")
    owner = _check(key, correction)
    try:
        return _store(actor, key, correction, owner, version)
    except IntegrityError as error:
        if not is_taken(error):
            raise
        _check_is_alone(key, correction, owner)
        raise Conflict("The inventory has just changed. Try again.") from error


def _store(actor: Actor, key: ApiKey, correction: Correction, owner: User, version: int) -> bool:
    before = _described(key)
    columns: dict[str, Any] = {
        "name": correction.name,
        "name_order": fold(correction.name),
        "expires_at": correction.expires_at,
        "owner": owner,
        "owner_left_at": owner.left_at,
        "holds_name": 1,
        **ApiKey.owner_columns(owner),
    }
    for name, value in columns.items():
        setattr(key, name, value)
    after = _described(key)
    changed = [name for name in after if before[name] != after[name]]
    if changed:
        owner_id: dict[str, Any] = {"owner_id": str(owner.pk)} if "owner_email" in changed else {}
        rows = ApiKey.objects.filter(pk=key.pk, version=version, state=State.HELD, cerby_id=None)
        with transaction.atomic():
            wait_for_other_declarations()
            _check_is_alone(key, correction, owner)
            if rows.update(version=version + 1, **columns) != 1:
                raise Conflict("This key has just been changed. Reload the page and try again.")
            log.append(
                Event.KEY_CORRECTED,
                actor=actor,
                key=key,
                reason=correction.reason,
                before={name: before[name] for name in changed},
                after={name: after[name] for name in changed},
                **owner_id,
            )
            follow_certificate(key.pk, actor)
    return bool(changed)


def _check(key: ApiKey, correction: Correction) -> User:
    """Return the owner. Raise ``Invalid`` for the first value that breaks a rule."""
    check_existing_name(correction.name)
    check_text("reason", "The reason", correction.reason, REASON_LENGTH)
    if correction.expires_at <= key.created_at:
        raise Invalid(expires_date="This is before the key was created. Check the date that Cerby shows.")
    if correction.expires_at - timezone.now() > LONGEST_AHEAD:
        raise Invalid(expires_date="This is more than a hundred years from now. Check the date.")
    owner = known_person(correction.owner_email)
    if owner is None:
        raise Invalid(owner=f"Cerby knows nobody with the email {correction.owner_email}.")
    return owner


def _check_is_alone(key: ApiKey, correction: Correction, owner: User) -> None:
    same = ApiKey.objects.filter(name_order=fold(correction.name), owner=owner, phase=Phase.LIVE)
    refuse_copy(same.exclude(pk=key.pk)[:1])


def _described(key: ApiKey) -> dict[str, str]:
    return {"name": key.name, "owner_email": key.owner_email, "expires_at": key.expires_at.isoformat()}
