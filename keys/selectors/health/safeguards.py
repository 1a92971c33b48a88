"""Return the pause and the quarantine, and the keys that the quarantine holds back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from keys.audit.guard import authorize
from keys.models import ApiKey, HeldBack, Pause, Quarantine
from keys.rules.errors import NotFound
from keys.rules.lifecycle import TRANSITIONS, State, Transition
from keys.rules.permissions import Action, Actor

SHOWN = 100


@dataclass(frozen=True)
class HeldKey:
    """``reason`` says why the portal would have revoked the key. ``may_keep`` considers state and role."""

    id: UUID
    name: str
    owner: str
    reason: str
    since: datetime
    may_keep: bool


@dataclass(frozen=True)
class Safeguards:
    """``quarantine`` is None if none is active. ``held`` are the first ``SHOWN`` of ``held_count`` keys."""

    paused_until: datetime | None
    quarantine: Quarantine | None
    held: list[HeldKey]
    held_count: int
    may_end: bool


def safeguards(actor: Actor) -> Safeguards:
    """Raise ``NotAllowed`` if the actor may not see the configuration."""
    authorize(actor, Action.SEE_CONFIGURATION)
    quarantine = active_quarantine()
    held = HeldBack.objects.filter(approved_at__isnull=True) if quarantine else HeldBack.objects.none()
    rows = held.select_related("key__owner").order_by("since", "pk")[:SHOWN]
    return Safeguards(
        paused_until=Pause.active_until(),
        quarantine=quarantine,
        held=[_held(actor, row) for row in rows],
        held_count=held.count(),
        may_end=actor.may(Action.END_QUARANTINE),
    )


def active_quarantine() -> Quarantine | None:
    return Quarantine.objects.filter(since__isnull=False).first()


def held_key_for(actor: Actor, key_id: UUID) -> ApiKey:
    """Return a key that the quarantine holds back, with its owner. Raise ``NotAllowed`` or ``NotFound``."""
    held = HeldBack.objects.filter(pk=key_id).select_related("key__owner").first()
    authorize(actor, Action.KEEP_KEY, held.key if held else None)
    if held is None:
        raise NotFound("The quarantine no longer holds this key back. Reload the list.")
    return held.key


def _held(actor: Actor, row: HeldBack) -> HeldKey:
    sources, _ = TRANSITIONS[Transition.KEEP]
    return HeldKey(
        id=row.key.id,
        name=row.key.name,
        owner=f"{row.key.owner_name} ({row.key.owner_email})",
        reason=row.reason,
        since=row.since,
        may_keep=State(row.key.state) in sources and actor.may(Action.KEEP_KEY, row.key),
    )
