"""Check the details of a new key: its name, purpose, expiry and scopes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings

from keys.models import ApiKey
from keys.rules import scopes as catalogue
from keys.rules.errors import Invalid
from keys.rules.folded_text import foldings
from keys.rules.lifecycle import HOLDS_ITS_NAME
from keys.rules.rotation import Rotating
from keys.validation.agents import check_agent
from keys.validation.ownership import Ownership, check_ownership
from keys.validation.text import check_text

NAME_LENGTH = 100
PURPOSE_LENGTH = 500
NO_TAB_KEY = b""
"""In assisted mode nothing is sealed to a browser tab."""
SHORTEST_LIFETIME = timedelta(minutes=30)
"""Longer than ``REVEAL_WITHIN``, so that no key expires before it can be viewed."""


@dataclass(frozen=True)
class KeyRequest:
    """``id`` comes from the wizard. ``tab_key`` is the browser tab's public key, 65 bytes, or NO_TAB_KEY.

    ``rotates``: which key the new one replaces, if it does. ``under``: the request that was approved, if any.
    """

    id: UUID
    name: str
    purpose: str
    expires_at: datetime
    scopes: tuple[str, ...]
    tab_key: bytes
    ownership: Ownership = field(default_factory=Ownership)
    rotates: Rotating | None = None
    under: UUID | None = None


def check_request(request: KeyRequest, now: datetime) -> None:
    """Raise ``Invalid`` for the first field that breaks a rule."""
    check_name(request.name, request.id)
    check_purpose(request.purpose)
    check_expiry(request.expires_at, now)
    check_scopes(request.scopes)
    check_ownership(request.ownership)
    check_agent(request.ownership, request.expires_at, now)


def check_name(name: str, own_id: UUID | None = None) -> None:
    """Ignore the key with ``own_id``, which already exists if the form was submitted twice."""
    check_text("name", "The name", name, NAME_LENGTH)
    in_use = ApiKey.objects.filter(name_order__in=foldings(name), state__in=HOLDS_ITS_NAME)
    if own_id is not None:
        in_use = in_use.exclude(pk=own_id)
    if in_use.exists():
        raise Invalid(
            name=f"There is already a key called “{name}”. Choose another name, or delete that key first."
        )


def check_purpose(purpose: str) -> None:
    check_text("purpose", "The purpose", purpose, PURPOSE_LENGTH)


def check_expiry(expires_at: datetime, now: datetime) -> None:
    longest = timedelta(days=settings.PORTAL_MAX_LIFETIME_DAYS)
    if expires_at <= now:
        raise Invalid(expiration="This time is in the past. Choose a time in the future.")
    if expires_at - now < SHORTEST_LIFETIME:
        raise Invalid(
            expiration="A key must be valid for at least 30 minutes, so that there is time to store it."
        )
    if expires_at - now > longest:
        raise Invalid(
            expiration=f"A key may be valid for at most {longest.days} days. Choose an earlier time."
        )


def check_scopes(scopes: Iterable[str]) -> None:
    chosen = list(scopes)
    offered = {scope.id for scope in catalogue.offered(settings.PORTAL_EXTRA_SCOPES)}
    unknown = [scope for scope in chosen if scope not in offered]
    if not chosen:
        raise Invalid(scopes="Select at least one scope.")
    if unknown:
        raise Invalid(scopes=f"“{unknown[0][:60]}” is not an available scope. Choose from the list.")
