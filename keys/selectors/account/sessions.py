"""List the browsers in which a person is signed in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY
from django.utils import timezone

from keys.models import Session, User
from keys.models.session import ADDRESS, BROWSER, SEEN, STARTED

MOST = 50
"""Sessions that are shown, those in use last. Hardly anybody has as many."""
METHODS = {
    "password": "password",
    "webauthn": "passkey",
    "totp": "authenticator app",
    "recovery_codes": "recovery code",
    "sso": "SSO",
}


@dataclass(frozen=True)
class LiveSession:
    """``handle`` is None, and the times are unknown, until the session is used after an upgrade."""

    handle: UUID | None
    browser: str
    ip: str
    how: str
    signed_in_at: datetime | None
    seen_at: datetime | None
    is_this: bool


def live_sessions(person: User, *, this: str = "") -> list[LiveSession]:
    """Return the sessions with which ``person`` could go on now. ``this``: the key of the reader's row."""
    return list(_live(person, this))


def _live(person: User, this: str) -> Iterator[LiveSession]:
    now = timezone.now()
    if not person.is_active:
        return
    hashes = {person.get_session_auth_hash(), *person.get_session_auth_fallback_hash()}
    unexpired = Session.objects.filter(user=person, expire_date__gt=now).order_by("-expire_date")
    for row in unexpired[:MOST]:
        data = row.get_decoded()
        started = _moment(data.get(STARTED))
        is_old = started is not None and (now - started).total_seconds() > settings.SESSION_MAX_AGE
        if data.get(HASH_SESSION_KEY) in hashes and not is_old:
            yield LiveSession(
                handle=row.handle,
                browser=data.get(BROWSER) or "Unknown browser",
                ip=data.get(ADDRESS) or "unknown",
                how=_how(data.get("account_authentication_methods", [])),
                signed_in_at=started,
                seen_at=_moment(data.get(SEEN)),
                is_this=row.pk == this,
            )


def _moment(seconds: int | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, tz=UTC) if seconds else None


def _how(records: list[dict[str, Any]]) -> str:
    """Return the ways with which the person signed in, without those with which they confirmed it later."""
    kinds = [
        record.get("type") or record["method"] for record in records if not record.get("reauthenticated")
    ]
    return " and ".join(dict.fromkeys(METHODS.get(kind, kind) for kind in kinds))
