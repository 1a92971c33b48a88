"""Take the request that a person was sent to the sign-in provider with."""

from __future__ import annotations

from collections.abc import Collection

from django.utils import timezone

from keys.actions.sso.begin import LASTS, name_of
from keys.models import SsoRequest
from keys.rules.sso import issuer


def take_request(state: str, sessions: Collection[str]) -> SsoRequest | None:
    """Return the request ``state`` and delete it, if one of ``sessions`` began it at most ten minutes ago.

    Of several processes that take the same request, one gets it.
    """
    rows = SsoRequest.objects.filter(pk=name_of(state), session__in=sessions, issuer=issuer())
    row = rows.select_related("link", "user").first()
    if row is None or SsoRequest.objects.filter(pk=row.pk).delete()[0] != 1:
        return None
    return row if timezone.now() - LASTS <= row.started_at <= timezone.now() else None


def is_awaited(state: str) -> bool:
    """Return whether somebody is at the provider with the request ``state``. It can still be taken."""
    rows = SsoRequest.objects.filter(pk=name_of(state), issuer=issuer())
    return rows.filter(started_at__gt=timezone.now() - LASTS).exists()
