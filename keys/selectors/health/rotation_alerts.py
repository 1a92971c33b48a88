"""Alerts about rotations that wait for a person."""

from __future__ import annotations

from collections.abc import Iterator

from django.urls import reverse

from keys.models import Rotation
from keys.models.rotation import IS_OPEN
from keys.rules import formatting
from keys.rules.rotation import RotationState
from keys.selectors.health.alert_kinds import ActiveAlert, AlertKind

MOST = 20
"""Alerts of one kind."""


def rotation_alerts() -> list[ActiveAlert]:
    return [*_overdue(), *_used_again()]


def _overdue() -> Iterator[ActiveAlert]:
    rows = Rotation.objects.filter(state=RotationState.OVERDUE).select_related("old")
    for rotation in rows.order_by("started_at", "id")[:MOST]:
        yield ActiveAlert(
            kind=AlertKind.ROTATION_OVERDUE,
            subject=str(rotation.pk),
            words=f"The overlap of “{rotation.old}” with its successor ended on "
            f"{formatting.to_the_minute(rotation.overlap_until)}. Both keys still work.",
            advice="Retire the old key, or extend the overlap.",
            path=reverse("keys:rotation", args=[rotation.pk]),
        )


def _used_again() -> Iterator[ActiveAlert]:
    rows = Rotation.objects.filter(IS_OPEN, returned_at__isnull=False, used_at__isnull=True)
    for rotation in rows.select_related("old").order_by("returned_at")[:MOST]:
        yield ActiveAlert(
            kind=AlertKind.ROTATION_USED_AGAIN,
            subject=str(rotation.pk),
            words=f"“{rotation.old}” was used again although its successor is in use.",
            advice="Find the software that still has the old key. Nothing was deleted.",
            path=reverse("keys:rotation", args=[rotation.pk]),
        )
