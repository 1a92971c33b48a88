"""What may be said of a key that exists already: the rules on its owner, its dates and its scopes.

Name and purpose keep the rules of keys.validation.new_key. A registered key is what it is: neither the longest
life nor the choice of scopes that the portal offers for new keys binds it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from keys.models import ApiKey, fold
from keys.rules import scopes as catalogue
from keys.rules.errors import Invalid
from keys.rules.lifecycle import Phase
from keys.validation import new_key
from keys.validation.new_key import NAME_LENGTH

LONGEST_AHEAD = timedelta(days=100 * 365)


@dataclass(frozen=True)
class Registration:
    """``owner_email`` is lower case. ``created_at`` is None where nobody knows it."""

    name: str
    owner_email: str
    purpose: str
    expires_at: datetime
    scopes: tuple[str, ...]
    created_at: datetime | None = None


def check_registration(registration: Registration, now: datetime) -> None:
    """Raise ``Invalid`` naming the first field that breaks a rule."""
    check_existing_name(registration.name)
    new_key.check_purpose(registration.purpose)
    check_dates(registration, now)
    check_known_scopes(registration.scopes)


def check_existing_name(name: str) -> None:
    new_key.check_text("name", "The name", name, NAME_LENGTH)


def check_dates(registration: Registration, now: datetime) -> None:
    if registration.expires_at <= now:
        raise Invalid(expires_date="This key has expired already, so there is nothing left to govern.")
    if registration.expires_at - now > LONGEST_AHEAD:
        raise Invalid(
            expires_date="This is more than a hundred years from now. Look again at what Cerby shows."
        )
    if registration.created_at is not None and registration.created_at > now:
        raise Invalid(created="A key that exists cannot have been created in the future.")


def check_known_scopes(scopes: tuple[str, ...]) -> None:
    if not scopes:
        raise Invalid(scopes="Select at least one scope.")
    unknown = [scope for scope in scopes if scope not in catalogue.CATALOGUE]
    if unknown:
        raise Invalid(scopes=f"“{unknown[0][:60]}” is not a scope that the portal knows.")


def same_key(registration: Registration) -> list[ApiKey]:
    """The live keys in the inventory that have this name and owner, in whatever case, oldest first."""
    same = ApiKey.objects.filter(
        name_order=fold(registration.name),
        owner__email=registration.owner_email,
        phase=Phase.LIVE,
    )
    return list(same.select_related("owner").order_by("created_at"))
