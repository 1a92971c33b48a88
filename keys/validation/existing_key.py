"""Check the details of an existing key that is registered: its name, purpose, dates and scopes.

Name and purpose follow the rules of keys.validation.new_key. The maximum lifetime and the choice of scopes
for new keys don't apply.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError

from keys.models import ApiKey
from keys.rules import scopes as catalogue
from keys.rules.batches import batches
from keys.rules.errors import Invalid, Taken
from keys.rules.folded_text import fold
from keys.rules.lifecycle import EXPIRY_NOT_KNOWN, Phase
from keys.validation import new_key
from keys.validation.new_key import NAME_LENGTH
from keys.validation.ownership import NOTE_LENGTH, Ownership, check_optional, check_ownership
from keys.validation.text import check_text

NAMES_AT_ONCE = 500
"""Names per query, well below the databases' limits on parameters."""
LONGEST_AHEAD = timedelta(days=100 * 365)


@dataclass(frozen=True)
class Registration:
    """``owner_email`` is in lower case. ``created_at`` is None if it is unknown."""

    name: str
    owner_email: str
    purpose: str
    expires_at: datetime
    scopes: tuple[str, ...]
    created_at: datetime | None = None
    ownership: Ownership = field(default_factory=Ownership)
    note: str = ""


def check_registration(registration: Registration, now: datetime, *, may_lack: bool = False) -> None:
    """Raise ``Invalid`` for the first field that breaks a rule.

    ``may_lack``: the scopes and the expiry may be unknown, as those of a key that a comparison adopted.
    """
    check_existing_name(registration.name)
    new_key.check_purpose(registration.purpose)
    check_dates(registration, now, may_lack=may_lack)
    if registration.scopes or not may_lack:
        check_known_scopes(registration.scopes)
    check_ownership(registration.ownership)
    check_optional("note", "The note", registration.note, NOTE_LENGTH)


def check_existing_name(name: str) -> None:
    check_text("name", "The name", name, NAME_LENGTH, is_in_cerby=True)


def check_dates(registration: Registration, now: datetime, *, may_lack: bool = False) -> None:
    if registration.expires_at <= now:
        raise Invalid(expires_date="This key has already expired. Only active keys can be registered.")
    is_not_known = may_lack and registration.expires_at == EXPIRY_NOT_KNOWN
    if registration.expires_at - now > LONGEST_AHEAD and not is_not_known:
        raise Invalid(
            expires_date="This is more than a hundred years from now. Check the date that Cerby shows."
        )
    if registration.created_at is not None and registration.created_at > now:
        raise Invalid(created="This date is in the future. Enter the date on which the key was created.")


def check_known_scopes(scopes: tuple[str, ...]) -> None:
    if not scopes:
        raise Invalid(scopes="Select at least one scope.")
    unknown = [scope for scope in scopes if scope not in catalogue.CATALOGUE]
    if unknown:
        raise Invalid(scopes=f"“{unknown[0][:60]}” is not a scope that the portal knows.")


def same_key(registration: Registration) -> list[ApiKey]:
    """Return the live keys with the same name and owner, ignoring case, oldest first."""
    same = ApiKey.objects.filter(
        name_order=fold(registration.name),
        owner__email=registration.owner_email,
        phase=Phase.LIVE,
    )
    return list(same.select_related("owner").order_by("created_at"))


def refuse_copy(keys: Iterable[ApiKey], advice: str = "") -> None:
    """Raise ``Taken`` for the first of ``keys``, which have the name and owner of a key to be stored."""
    for key in keys:
        sentence = f"This owner already has a key called “{key}” in the inventory."
        raise Taken(f"{sentence} {advice}".strip(), by=key.pk)


def is_taken(error: IntegrityError) -> bool:
    """Return whether the constraint ``key_registered_once`` refused a row, not another constraint."""
    return "name_order" in str(error)


def identity(registration: Registration) -> tuple[str, str]:
    """Return what a declared key may share with no other key in use: its folded name and its owner."""
    return fold(registration.name), registration.owner_email


def taken(names_and_owners: Iterable[tuple[str, str]]) -> dict[tuple[str, str], UUID]:
    """Return the identities among these names and owners' emails that keys in use have, each with a key."""
    found: dict[tuple[str, str], UUID] = {}
    for batch in batches(((fold(name), email) for name, email in names_and_owners), NAMES_AT_ONCE):
        rows = ApiKey.objects.filter(name_order__in={name for name, _ in batch}, phase=Phase.LIVE)
        wanted = set(batch)
        for name, email, key_id in rows.values_list("name_order", "owner__email", "pk"):
            if (name, email) in wanted:
                found[name, email] = key_id
    return found
