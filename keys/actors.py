"""From a person's row to the ``Actor`` that policy and audit speak of."""

from __future__ import annotations

from django.conf import settings
from django.utils import timezone

from keys.models import User
from keys.policy import Actor, KeyManagement, Role, is_stale


def actor_for(user: User, *, ip: str = "", browser: str = "") -> Actor:
    return Actor(
        user_id=user.pk,
        cerby_id=user.cerby_id,
        name=user.name,
        email=user.email,
        role=Role(user.role),
        role_is_stale=is_stale(user.role_checked_at, timezone.now()),
        is_active=user.is_active,
        ip=ip,
        browser=browser,
        management=KeyManagement(settings.PORTAL_KEY_MANAGEMENT),
    )
