"""Decide whether the portal may revoke a key by itself now. Every such revocation asks here first."""

from __future__ import annotations

from django.utils import timezone

from keys.actions.safeguards.quarantine import may_revoke
from keys.actions.safeguards.rollback_guard import check_for_rollback
from keys.audit import node
from keys.models import ApiKey, HeldBack, Quarantine


def hold_back(key: ApiKey, reason: str) -> bool:
    """Return whether ``key`` must not be revoked now. A quarantine lists it as held back.

    The database may have been replaced since the last heartbeat, so check for that first. A node that has
    just come back waits for the others, which may know of a restored database.
    """
    check_for_rollback()
    if may_revoke():
        return not node.is_settled()
    if Quarantine.objects.filter(since__isnull=False).exists():
        row = HeldBack(key=key, reason=reason[:500], since=timezone.now())
        HeldBack.objects.bulk_create([row], ignore_conflicts=True)
    return True
