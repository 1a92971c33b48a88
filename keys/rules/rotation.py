"""Define the life of a rotation: its states, the steps between them, and the proofs that decide.

    PREPARING --store--> OVERLAP --use--> CUT_OVER --fall_quiet--> QUIET --retire--> RETIRED
    PREPARING, OVERLAP, CUT_OVER, QUIET, OVERDUE --retire--> RETIRED         with or without proof
    CUT_OVER, QUIET --use_again--> OVERLAP         the old key was used after the new one was
    OVERLAP, CUT_OVER, QUIET --miss--> OVERDUE     the overlap is over; nothing is deleted because of that
    OVERDUE --reopen--> OVERLAP                    a person extends the overlap
    PREPARING, OVERLAP, CUT_OVER, QUIET, OVERDUE --call_off--> CALLED_OFF    the old key stays as it is

The portal takes the first three steps, ``use_again`` and ``miss`` itself, from what it sees of both keys
(``next_step``). It never deletes a key because of a rotation: only a person retires the old key.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from keys.rules.lifecycle import HOLDS_ITS_NAME, PHASE, Phase, State


class RotationState(enum.StrEnum):
    PREPARING = "preparing"
    OVERLAP = "overlap"
    CUT_OVER = "cut_over"
    QUIET = "quiet"
    OVERDUE = "overdue"
    RETIRED = "retired"
    CALLED_OFF = "called_off"

    @property
    def label(self) -> str:
        return _LABELS[self]


_LABELS = {
    RotationState.PREPARING: "Preparing",
    RotationState.OVERLAP: "Overlap",
    RotationState.CUT_OVER: "New key in use",
    RotationState.QUIET: "Old key quiet",
    RotationState.OVERDUE: "Overdue",
    RotationState.RETIRED: "Retired",
    RotationState.CALLED_OFF: "Called off",
}

OPEN = (
    RotationState.PREPARING,
    RotationState.OVERLAP,
    RotationState.CUT_OVER,
    RotationState.QUIET,
    RotationState.OVERDUE,
)
_OVERLAPPING = frozenset({RotationState.OVERLAP, RotationState.CUT_OVER, RotationState.QUIET})


class Step(enum.StrEnum):
    STORE = "store"
    USE = "use"
    FALL_QUIET = "fall_quiet"
    USE_AGAIN = "use_again"
    USE_LATE = "use_late"
    USE_AGAIN_LATE = "use_again_late"
    MISS = "miss"
    EXTEND = "extend"
    REOPEN = "reopen"
    RETIRE = "retire"
    CALL_OFF = "call_off"


STEPS: dict[Step, tuple[frozenset[RotationState], RotationState | None]] = {
    Step.STORE: (frozenset({RotationState.PREPARING}), RotationState.OVERLAP),
    Step.USE: (frozenset({RotationState.OVERLAP}), RotationState.CUT_OVER),
    Step.FALL_QUIET: (frozenset({RotationState.CUT_OVER}), RotationState.QUIET),
    Step.USE_AGAIN: (frozenset({RotationState.CUT_OVER, RotationState.QUIET}), RotationState.OVERLAP),
    Step.USE_LATE: (frozenset({RotationState.OVERDUE}), None),
    Step.USE_AGAIN_LATE: (frozenset({RotationState.OVERDUE}), None),
    Step.MISS: (_OVERLAPPING, RotationState.OVERDUE),
    Step.EXTEND: (_OVERLAPPING, None),
    Step.REOPEN: (frozenset({RotationState.OVERDUE}), RotationState.OVERLAP),
    Step.RETIRE: (frozenset(OPEN), RotationState.RETIRED),
    Step.CALL_OFF: (frozenset(OPEN), RotationState.CALLED_OFF),
}
"""The states that each step may start from, and the state after it; None: the state stays."""


class Because(enum.StrEnum):
    """Why a person rotates a key."""

    SCHEDULED = "scheduled"
    LEAVER = "leaver"
    LEAK = "suspected-leak"
    POLICY = "policy"

    @property
    def label(self) -> str:
        return _BECAUSE[self]


_BECAUSE = {
    Because.SCHEDULED: "Scheduled",
    Because.LEAVER: "Somebody leaves",
    Because.LEAK: "Suspected leak",
    Because.POLICY: "Policy",
}


class Proof(enum.StrEnum):
    """The best proof that the old key is no longer needed."""

    NONE = "none"
    NEW_USED = "new_used"
    QUIET = "quiet"


OVERLAPS: dict[str, tuple[str, timedelta]] = {
    "now": ("None: retire the old key as soon as the new one is stored", timedelta()),
    "1h": ("1 hour", timedelta(hours=1)),
    "24h": ("24 hours", timedelta(hours=24)),
    "3d": ("3 days", timedelta(days=3)),
    "7d": ("7 days", timedelta(days=7)),
    "30d": ("30 days", timedelta(days=30)),
}
USUAL_OVERLAP = "7d"

SHORTEST_QUIET = timedelta(hours=24)
LONGEST_QUIET = timedelta(days=30)

ROTATED = frozenset({State.CLAIMED, State.HELD})
"""The states in which a key can be rotated."""


@dataclass(frozen=True)
class Rotating:
    """The part of a request for a key that says which key the new one replaces."""

    old: UUID
    because: Because
    overlap: timedelta


@dataclass(frozen=True)
class Sight:
    """What the portal knows about the two keys of a rotation, and what it noted before.

    ``new_used_at`` and ``old_used_at``: the last uses that count. ``old_seen_until``: the time up to which
    the portal knows the last use of the old key: that of the sweep, or of a person's reading. ``used_at``:
    since when the new key is in use, or None. ``returned_at``: when the old key was used after that.
    """

    state: RotationState
    old_state: State
    new_state: State
    new_used_at: datetime | None
    old_used_at: datetime | None
    old_seen_until: datetime | None
    used_at: datetime | None
    returned_at: datetime | None
    quiet_after: timedelta
    overlap_until: datetime

    @property
    def is_quiet(self) -> bool:
        """Return whether the old key has not been used for long enough since the new one is in use."""
        began = self.used_at or self.returned_at
        if began is None or self.old_seen_until is None:
            return False
        return self.old_seen_until - max(began, self.old_used_at or began) >= self.quiet_after

    @property
    def is_cut_over(self) -> bool:
        """Return whether the new key is in use. After a return, the old one must be quiet as well."""
        return self.new_used_at is not None and (self.returned_at is None or self.is_quiet)

    @property
    def was_used_again(self) -> bool:
        """Return whether the old key was used after the new one was in use."""
        return bool(self.used_at and self.old_used_at and self.old_used_at > self.used_at)

    @property
    def cut_over_at(self) -> datetime | None:
        """Return the earliest time from which the new key alone can be said to be in use."""
        return max(filter(None, (self.new_used_at, self.old_used_at)), default=None)

    @property
    def proof(self) -> Proof:
        if self.used_at is None and self.new_used_at is None:
            return Proof.NONE
        return Proof.QUIET if self.is_quiet else Proof.NEW_USED


def next_step(sight: Sight, now: datetime) -> Step | None:
    """Return the step that the portal takes next on its own, or None."""
    if sight.state not in OPEN:
        return None
    if PHASE[sight.old_state] is not Phase.LIVE:
        return Step.RETIRE
    if sight.new_state not in HOLDS_ITS_NAME:
        return Step.CALL_OFF
    return _by_proof(sight) or (
        Step.MISS if sight.state in _OVERLAPPING and sight.overlap_until <= now else None
    )


def _by_proof(sight: Sight) -> Step | None:
    step: Step | None = None
    is_overdue = sight.state is RotationState.OVERDUE
    if sight.state is RotationState.PREPARING:
        is_viewed_and_used = sight.new_state is State.CLAIMED and sight.new_used_at is not None
        step = Step.STORE if sight.new_state is State.HELD or is_viewed_and_used else None
    elif sight.was_used_again:
        step = Step.USE_AGAIN_LATE if is_overdue else Step.USE_AGAIN
    elif is_overdue:
        step = Step.USE_LATE if sight.used_at is None and sight.is_cut_over else None
    elif sight.state is RotationState.OVERLAP:
        step = Step.USE if sight.used_at is not None or sight.is_cut_over else None
    elif sight.state is RotationState.CUT_OVER and sight.is_quiet:
        step = Step.FALL_QUIET
    return step


def quiet_after(longest_gap: timedelta, last_used_at: datetime | None, now: datetime) -> timedelta:
    """Return how long a key must be unused to count as quiet: a day, or its longest gap if that is longer.

    A key that has not been used for a while may be one that is rarely used, so the time since then counts.
    """
    since = now - last_used_at if last_used_at else timedelta()
    return min(max(SHORTEST_QUIET, longest_gap, since), LONGEST_QUIET)


_GENERATION = re.compile(r" · r\d+$")


def name_of_next(name: str, generation: int, *, longest: int) -> str:
    """Return the usual name of the next key, such as "Nightly export · r2"."""
    suffix = f" · r{generation}"
    return _GENERATION.sub("", name)[: longest - len(suffix)].rstrip() + suffix
