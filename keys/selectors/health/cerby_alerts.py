"""Alerts about Cerby's answers and the portal's own credentials there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.urls import reverse

from keys.models import DroppedValue
from keys.selectors.health.alert_kinds import ActiveAlert, AlertKind
from keys.selectors.people import unknown_roles


def cerby_alerts(now: datetime) -> list[ActiveAlert]:  # noqa: ARG001
    return [*_unknown_roles(), *_unreadable_values()]


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
        yield ActiveAlert(
            kind=AlertKind.VALUE_UNREADABLE,
            subject=f"{row.kind} {row.attribute}"[:64],
            words=f"Cerby's attribute “{row.attribute}” of {_a(row.kind)} cannot be read in {count}, such as "
            f"{row.example}. The portal goes on without that value.",
            advice="Look at this resource in Cerby. If Cerby has changed its API, update the portal.",
            path=reverse("keys:health"),
        )


def _people(count: int) -> str:
    return "one person" if count == 1 else f"{count:,} people"


def _a(kind: str) -> str:
    return f"an {kind}" if kind[0] in "AEIOU" else f"a {kind}"
