"""Record what a person read about a key in Cerby's web app: its last use, its expiry, or both."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from keys.actions.lineage.advance import follow_key
from keys.actions.people.confirm_role import authorize_now
from keys.audit import log
from keys.models import ApiKey
from keys.rules.errors import Conflict, Invalid
from keys.rules.events import Event
from keys.rules.formatting import utc_microseconds
from keys.rules.lifecycle import Phase
from keys.rules.permissions import Action, Actor
from keys.selectors.key.page import key_for, may_be_read
from keys.validation.existing_key import LONGEST_AHEAD


@dataclass(frozen=True)
class Reading:
    """None: not read. ``never_used``: Cerby's web app says that the key was never used."""

    last_used_at: datetime | None = None
    never_used: bool = False
    expires_at: datetime | None = None


def enter_reading(actor: Actor, key_id: UUID, reading: Reading) -> ApiKey:
    """Store ``reading`` with the person and the time. Inventory, reminders and filters use it.

    Raises ``Invalid`` for a time that cannot be right, and ``Conflict`` if Cerby itself tells these values.
    """
    key = key_for(actor, key_id)
    actor = authorize_now(actor, Action.ENTER_READING, key)
    if not may_be_read(key):
        raise Conflict("Cerby's list has the last use and the expiry of this key, or the key has ended.")
    now = timezone.now()
    _check(key, reading, now)
    columns: dict[str, Any] = {}
    details: dict[str, Any] = {}
    if reading.last_used_at or reading.never_used:
        at = reading.last_used_at
        columns |= {**key.use_columns(at), "use_read_at": now, "use_read_by_id": actor.user_id}
        details["last_used_at"] = utc_microseconds(at) if at else "never"
    if reading.expires_at:
        columns |= {"expires_at": reading.expires_at, "expiry_read_at": now}
        columns["expiry_read_by_id"] = actor.user_id
        details["expires_at"] = reading.expires_at.isoformat()
        details["former_expires_at"] = key.expires_at.isoformat()
    with transaction.atomic():
        same = ApiKey.objects.filter(pk=key.pk, phase=Phase.LIVE, expires_at=key.expires_at)
        if same.update(**columns) != 1:
            raise Conflict("This key has just been changed. Reload the page and try again.")
        log.append(Event.KEY_READ, actor=actor, key=key, read_at=utc_microseconds(now), **details)
        if key.lineage is not None:
            follow_key(key)
    return key


def _check(key: ApiKey, reading: Reading, now: datetime) -> None:
    used, expires = reading.last_used_at, reading.expires_at
    if used is None and not reading.never_used and expires is None:
        raise Invalid(last_used="Enter when the key was last used, when it expires, or both.")
    if used is not None and reading.never_used:
        raise Invalid(never_used="Either the key was never used, or enter when it was. Not both.")
    if used is not None and used > now:
        raise Invalid(last_used="This time is in the future. Enter the time that Cerby shows.")
    if expires is not None and expires <= key.created_at:
        raise Invalid(expires_date="This is before the key was created. Enter the day that Cerby shows.")
    if expires is not None and expires - now > LONGEST_AHEAD:
        raise Invalid(
            expires_date="This is more than a hundred years from now. Check the date that Cerby shows."
        )
