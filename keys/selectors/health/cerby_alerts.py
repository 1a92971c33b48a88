"""Alerts about Cerby's answers and the portal's own credentials there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.urls import reverse

from keys.cerby import credentials
from keys.models import CredentialRefusal, DroppedValue
from keys.rules import formatting
from keys.selectors.health.alert_kinds import ActiveAlert, AlertKind
from keys.selectors.people import unknown_roles

REFUSAL_SHOWN_FOR = timedelta(hours=24)
REMIND_DAYS = (1, 7, 14, 30)

UNREAD_KEY = "unread key"
_NAMES = {credentials.API_KEY: "API key", credentials.TOKEN: "bearer token"}


def cerby_alerts(now: datetime) -> list[ActiveAlert]:
    return [*_refusals(now), *_expiry(now), *_unknown_roles(), *_unreadable_values()]


def _refusals(now: datetime) -> Iterator[ActiveAlert]:
    """Return one alert for each credential that Cerby refused and that was not replaced since."""
    for row in CredentialRefusal.objects.filter(refused_at__gt=now - REFUSAL_SHOWN_FOR):
        if credentials.changed_at(row.credential) > row.refused_at.timestamp():
            continue
        yield ActiveAlert(
            kind=AlertKind.CREDENTIAL_REFUSED,
            subject=row.credential,
            words=f"Cerby answered 401 when the portal used its own {_NAMES[row.credential]} to {row.doing}. "
            f"The {_NAMES[row.credential]} has expired, was deleted, or lacks a scope.",
            advice=f"Make a new one in Cerby and store it as {row.credential}. If it comes from a file, the "
            "portal needs no restart.",
            path=reverse("keys:health"),
        )


def _expiry(now: datetime) -> Iterator[ActiveAlert]:
    """Return a new alert 30, 14, 7 and 1 days before the portal's API key expires, and when it has."""
    expires = settings.CERBY_API_KEY_EXPIRES
    if expires is None:
        return
    reached = [days for days in REMIND_DAYS if expires - now <= timedelta(days=days)]
    if not reached:
        return
    has_expired = expires <= now
    yield ActiveAlert(
        kind=AlertKind.CREDENTIAL_EXPIRES,
        subject="expired" if has_expired else f"{reached[0]} days",
        words=f"The portal's own API key {'expired' if has_expired else 'expires'} on "
        f"{formatting.to_the_minute(expires)}, according to CERBY_API_KEY_EXPIRES.",
        advice="Make a new one in Cerby, store it as CERBY_API_KEY, and set CERBY_API_KEY_EXPIRES again.",
        path=reverse("keys:health"),
    )


def _unknown_roles() -> Iterator[ActiveAlert]:
    for role in unknown_roles():
        named = f"“{role.identifier}”" if role.identifier else "no role that can be read"
        yield ActiveAlert(
            kind=AlertKind.ROLE_UNKNOWN,
            subject=role.identifier[:64],
            words=f"Cerby gives {_people(role.people)} the role {named}, which the portal does not "
            "know. They have the rights of a Guest User meanwhile.",
            advice="Look in Cerby which role it is, and update the portal to a version that knows it.",
            path=reverse("keys:roles"),
        )


def _unreadable_values() -> Iterator[ActiveAlert]:
    for row in DroppedValue.objects.order_by("kind", "attribute"):
        count = f"{row.count:,} resources" if row.count != 1 else "one resource"
        is_unread = row.kind == UNREAD_KEY
        has_id = row.attribute != "id"
        example = f", such as {row.example}" if has_id else ""
        yield ActiveAlert(
            kind=AlertKind.VALUE_UNREADABLE,
            subject=f"{row.kind} {row.attribute}"[:64],
            words=f"Cerby's attribute “{row.attribute}” of {_a('API key' if is_unread else row.kind)} "
            f"cannot be read in {count}{example}. The portal goes on without that "
            + ("key: it neither updates its row nor marks it as missing." if is_unread else "")
            + ("" if is_unread else "value." if has_id else f"{row.kind}."),
            advice="Look at this resource in Cerby. If Cerby has changed its API, update the portal.",
            path=reverse("keys:health"),
        )


def _people(count: int) -> str:
    return "one person" if count == 1 else f"{count:,} people"


def _a(kind: str) -> str:
    return f"an {kind}" if kind[0] in "AEIOU" else f"a {kind}"
