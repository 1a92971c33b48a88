"""Return the state of the audit log: sealing, signing and the last verification."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from keys.audit import forgeries
from keys.audit.explanations import damage_in_words, forged_name, is_explained
from keys.audit.guards import broken_guards
from keys.audit.tree_store import head as tree_head
from keys.models import Checkpoint, Sealed, TreeHead, Unsealed
from keys.selectors.counts import bounded_count
from keys.selectors.health.damage import (
    alarming,
    last_verification,
    last_whole_verification,
    result_was_changed,
)

SEALED_WITHIN = timedelta(seconds=10)
SIGNED_WITHIN = timedelta(minutes=1)
VERIFIED_WITHIN = timedelta(days=3)
"""The daily verification is overdue after three of its periods, whatever its row of the jobs says."""


@dataclass(frozen=True)
class AuditHealth:
    """``sealed`` events are in the tree, the newest of them from ``sealed_until``. ``waiting`` are not yet.

    ``status`` is "ok", or the worst of "damaged", "forged", "unguarded", "changed", "unread", "refused",
    "late", "unsigned" and "unverified". ``problem`` describes it in a sentence and is empty if the status
    is ok. ``waiting`` is a bounded count. ``verified_at``: when the whole log was last verified.
    ``damage``: the names of the damage found then that nobody has explained. ``unread``: why a later
    verification was aborted, as a sentence. ``is_changed``: the stored result of a verification is not the
    portal's.
    """

    status: str
    problem: str
    sealed: int
    sealed_until: datetime | None
    waiting: int
    waiting_since: datetime | None
    signed: int
    signed_at: datetime | None
    verified_at: datetime | None
    unread: str
    is_changed: bool
    damage: list[str]


def audit_health() -> AuditHealth:
    """Return the state, at the same cost for any size. It has no personal data, so everybody may see it."""
    head, checkpoint = tree_head(), Checkpoint.objects.order_by("-size").first()
    waiting = Unsealed.objects.order_by("event_id")
    count = bounded_count(waiting)  # other events may come before the next query
    waiting_since = waiting.values_list("event__at", flat=True).first()
    signed = checkpoint.size if checkpoint else 0
    last = last_verification()
    whole = last_whole_verification() if last and last.failure else last
    damage, unread = alarming(whole), last.failure if last else ""
    is_changed = result_was_changed(last, whole)
    if is_changed:
        result = (
            "changed",
            "The stored result of the last verification was changed. Verify the audit log again.",
        )
    else:
        result = "unread", f"The last verification was aborted. {unread}" if unread else ""
    status, problem = next(
        _problems(
            head, damage, result, waiting_since, _at(signed), verified_at=whole.finished_at if whole else None
        ),
        ("ok", ""),
    )
    return AuditHealth(
        status=status,
        problem=problem,
        sealed=head.size,
        sealed_until=_at(head.size - 1),
        waiting=count if waiting_since else 0,
        waiting_since=waiting_since,
        signed=signed,
        signed_at=checkpoint.at if checkpoint else None,
        verified_at=whole.finished_at if whole else None,
        unread=unread,
        is_changed=is_changed,
        damage=damage,
    )


def _at(index: int) -> datetime | None:
    return Sealed.objects.filter(index=index).values_list("event__at", flat=True).first()


def _problems(
    head: TreeHead,
    damage: list[str],
    result: tuple[str, str],
    waiting_since: datetime | None,
    unsigned_since: datetime | None,
    *,
    verified_at: datetime | None,
) -> Iterator[tuple[str, str]]:
    """Yield a status and a sentence for each problem, the worst first."""
    now = timezone.now()
    if damage:
        yield "damaged", f"The last verification found damage. {' '.join(map(damage_in_words, damage))}"
    forged = forgeries.known(head)
    if forged and not is_explained(forged_name(forged)):
        yield (
            "forged",
            f"Event {forged.first:,} was changed before it was sealed, or was not written by the portal.",
        )
    if broken := broken_guards():
        yield "unguarded", f"What protects the log in the database was changed: {'; '.join(broken)}."[:500]
    if result[1]:
        yield result
    if head.refusal:
        yield "refused", f"The portal refuses to sign. {head.refusal}"
    if waiting_since and now - waiting_since > SEALED_WITHIN:
        yield "late", "Events are waiting to be sealed. Check that a worker is running."
    if not settings.PORTAL_AUDIT_SIGNING_KEY:
        yield "unsigned", "PORTAL_AUDIT_SIGNING_KEY is not set, so nothing is signed."
    elif unsigned_since and now - unsigned_since > SIGNED_WITHIN:
        yield "unsigned", "Sealed events are waiting to be signed. Check the worker's log."
    since = verified_at or (_at(0) if head.size else None)
    if since and now - since > VERIFIED_WITHIN:
        yield "unverified", "The whole log was not verified for three days. Check the worker's log."
