"""Helpers for tests of background jobs: let time pass, and compare the inventory with the sandbox."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import F
from django.utils import timezone

from keys.actions.keys.reconcile import reconcile_due
from keys.models import ApiKey, AuditEvent, RevealGrant
from keys.rules.lifecycle import Phase
from sandbox import Sandbox
from tests.cast import BEFORE_THE_TEST

TIMES = ("due_at", "lease_until", "confirmed_at", "missing_since", "removed_at")


def let_pass(amount: timedelta) -> None:
    """Move the portal's stored times back, as if ``amount`` had passed."""
    ApiKey.objects.update(**{name: F(name) - amount for name in TIMES})
    RevealGrant.objects.update(expires_at=F("expires_at") - amount)


def let_pass_in_both(sandbox: Sandbox, amount: timedelta) -> None:
    """Let ``amount`` pass in the portal and in the sandbox."""
    let_pass(amount)
    sandbox.clock.offset += amount


def reconcile_now() -> int:
    """Make each key with a timer due, and reconcile once."""
    ApiKey.objects.filter(due_at__isnull=False).update(due_at=timezone.now())
    return reconcile_due()


def state_of(key: ApiKey) -> str:
    return ApiKey.objects.get(pk=key.pk).state


def due_in(key: ApiKey) -> timedelta | None:
    due_at = ApiKey.objects.get(pk=key.pk).due_at
    return None if due_at is None else due_at - timezone.now()


def story_of(key: ApiKey) -> list[str]:
    """Return the types of the key's events, without those that ``with_a_life`` added."""
    events = AuditEvent.objects.filter(key_id=key.pk).exclude(reason=BEFORE_THE_TEST)
    return list(events.order_by("id").values_list("type", flat=True))


def asked(sandbox: Sandbox, method: str, **which: Any) -> list[dict[str, Any]]:
    return [
        entry
        for entry in sandbox.journal()
        if entry["method"] == method and all(entry[name] == value for name, value in which.items())
    ]


def live_upstream(sandbox: Sandbox) -> set[str]:
    return {key["id"] for key in sandbox.api_keys() if key["status"] == "active"}


def live_here() -> set[str]:
    """Return Cerby's ids of the keys that the inventory shows as live and not as missing in Cerby."""
    keys = ApiKey.objects.filter(phase=Phase.LIVE, missing_since__isnull=True)
    return {str(found) for found in keys.values_list("cerby_id", flat=True)}
