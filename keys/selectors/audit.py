"""How the audit log's sealing and signing are doing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from keys.audit.nodes import head as tree_head
from keys.models import Checkpoint, Sealed, TreeHead, Unsealed

COUNTED_UP_TO = 1000
SEALED_WITHIN = timedelta(seconds=10)
SIGNED_WITHIN = timedelta(minutes=1)


@dataclass(frozen=True)
class AuditHealth:
    """``sealed`` events are in the tree, the newest of them from ``sealed_until``; ``waiting`` are not yet.

    ``status`` is "ok", "forged", "refused", "late" or "unsigned", the worst that holds; ``problem`` says it
    as a sentence, and is empty while all is well. ``waiting`` is counted to a little over 1,000.
    """

    status: str
    problem: str
    sealed: int
    sealed_until: datetime | None
    waiting: int
    waiting_since: datetime | None
    signed: int
    signed_at: datetime | None


def audit_health() -> AuditHealth:
    """Costs the same at any size. For any reader: it names nobody."""
    head, checkpoint = tree_head(), Checkpoint.objects.order_by("-size").first()
    waiting = Unsealed.objects.order_by("event_id")
    waiting_since = waiting.values_list("event__at", flat=True).first()
    signed = checkpoint.size if checkpoint else 0
    status, problem = _status(head, waiting_since, _at(signed))
    return AuditHealth(
        status=status,
        problem=problem,
        sealed=head.size,
        sealed_until=_at(head.size - 1),
        waiting=waiting[: COUNTED_UP_TO + 1].count(),
        waiting_since=waiting_since,
        signed=signed,
        signed_at=checkpoint.at if checkpoint else None,
    )


def _at(index: int) -> datetime | None:
    return Sealed.objects.filter(index=index).values_list("event__at", flat=True).first()


def _status(
    head: TreeHead, waiting_since: datetime | None, unsigned_since: datetime | None
) -> tuple[str, str]:
    now = timezone.now()
    if head.forged is not None:
        return "forged", (
            f"Event {head.forged:,} was changed before it was sealed, or was not written by the portal."
        )
    if head.refusal:
        return "refused", f"The portal refuses to sign. {head.refusal}"
    if waiting_since and now - waiting_since > SEALED_WITHIN:
        return "late", "Events wait to be sealed. Is a worker running?"
    if not settings.PORTAL_AUDIT_SIGNING_KEY:
        return "unsigned", "PORTAL_AUDIT_SIGNING_KEY is not set, so nothing is signed."
    if unsigned_since and now - unsigned_since > SIGNED_WITHIN:
        return "unsigned", "Sealed events wait to be signed. The worker's log says why."
    return "ok", ""
