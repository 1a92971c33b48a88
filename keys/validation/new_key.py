"""What may be asked for when a key is generated: the rules on name, purpose, expiry and scopes."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings

from keys.models import ApiKey, fold
from keys.rules import scopes as catalogue
from keys.rules.errors import Invalid
from keys.rules.lifecycle import HOLDS_ITS_NAME

NAME_LENGTH = 100
PURPOSE_LENGTH = 500
UNSEEN = {"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"}
"""Unicode's categories of what is not a letter, mark, number, sign or space."""
SHORTEST_LIFE = timedelta(minutes=30)
"""Longer than the one view waits, so that no key can expire before it was seen."""


@dataclass(frozen=True)
class KeyRequest:
    """``id`` is the wizard's; ``tab_key`` the 65 bytes of the public key that the browser tab made."""

    id: UUID
    name: str
    purpose: str
    expires_at: datetime
    scopes: tuple[str, ...]
    tab_key: bytes


def check_request(request: KeyRequest, now: datetime) -> None:
    """Raise ``Invalid`` naming the first field that breaks a rule."""
    check_name(request.name, request.id)
    check_purpose(request.purpose)
    check_expiry(request.expires_at, now)
    check_scopes(request.scopes)


def tidy(name: str) -> str:
    """``name`` in Unicode's composed form and with plain spaces: names that look alike are to be alike."""
    composed = unicodedata.normalize("NFC", name)
    return "".join(" " if unicodedata.category(c) == "Zs" else c for c in composed).strip()


def check_name(name: str, own_id: UUID | None = None) -> None:
    """``own_id``: the request's own key, there already after a double click, is not in its way."""
    check_text("name", "The name", name, NAME_LENGTH)
    in_use = ApiKey.objects.filter(name_order=fold(name), state__in=HOLDS_ITS_NAME)
    if own_id is not None:
        in_use = in_use.exclude(pk=own_id)
    if in_use.exists():
        raise Invalid(
            name=f"There is already a key called “{name}”. Choose another name, or delete that key first."
        )


def check_purpose(purpose: str) -> None:
    check_text("purpose", "The purpose", purpose, PURPOSE_LENGTH)


def check_text(field: str, what: str, text: str, length: int) -> None:
    if not text.strip():
        raise Invalid(**{field: f"{what} is missing. Enter 1 to {length} characters."})
    if len(text) > length:
        raise Invalid(**{field: f"{what} has {len(text):,} characters; {length} are allowed."})
    if any(unicodedata.category(character) in UNSEEN for character in text):
        raise Invalid(**{field: f"{what} holds a character that cannot be seen, such as a tab. Remove it."})


def check_expiry(expires_at: datetime, now: datetime) -> None:
    longest = timedelta(days=settings.PORTAL_MAX_LIFETIME_DAYS)
    if expires_at <= now:
        raise Invalid(expiration="This time is in the past. Choose one that is still to come.")
    if expires_at - now < SHORTEST_LIFE:
        raise Invalid(
            expiration="A key must live for at least 30 minutes, so that there is time to store it."
        )
    if expires_at - now > longest:
        raise Invalid(
            expiration=f"A key may live for at most {longest.days} days here. Choose an earlier time."
        )


def check_scopes(scopes: Iterable[str]) -> None:
    chosen = list(scopes)
    offered = {scope.id for scope in catalogue.offered(settings.PORTAL_EXTRA_SCOPES)}
    unknown = [scope for scope in chosen if scope not in offered]
    if not chosen:
        raise Invalid(scopes="Select at least one scope.")
    if unknown:
        raise Invalid(
            scopes=f"“{unknown[0][:60]}” is not a scope that is offered here. Select from the list."
        )
