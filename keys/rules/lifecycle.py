"""The life of a key: its states, the moves between them, and what people see of it.

    REQUESTED --call--> CALLING --answer--> READY --claim--> CLAIMED --store--> HELD
    REQUESTED --await_paste--> AWAITED --paste--> CLAIMED     made by hand in Cerby's web app
    REQUESTED, AWAITED --cancel--> ABSENT   nobody ever called, or pasted
    CALLING --refuse--> REFUSED             never sent, 4xx or 429: nothing was made
    CALLING --lose_answer--> IN_DOUBT       no clear answer: a key may have been made
    CALLING --lose_secret--> REVOKING       a key was made, its plain text did not arrive
    IN_DOUBT --find--> REVOKING             Cerby lists the key
    IN_DOUBT --find_absent--> ABSENT        Cerby does not list it, and that is settled
    READY, CLAIMED, HELD --revoke--> REVOKING --confirm_revoked--> REVOKED
    ABSENT, REFUSED, REVOKED --reappear--> REVOKING     Cerby lists it as live all the same
    READY, CLAIMED, HELD --vanish--> REVOKED            it was removed in Cerby itself
    IN_DOUBT, READY, CLAIMED, ABSENT, REFUSED, REVOKED --keep--> HELD    a person says that it is in use

Time moves keys too: each state has a moment at which somebody must look again (``DUE_AFTER``), and
keys.actions.keys.reconcile says what happens then. Every move is one conditional UPDATE (keys.actions.transition), with its
audit event in the same transaction. docs/generate-a-key.md walks through it.
"""

from __future__ import annotations

import enum
from datetime import datetime, timedelta


class State(enum.StrEnum):
    REQUESTED = "requested"
    AWAITED = "awaited"
    CALLING = "calling"
    REFUSED = "refused"
    IN_DOUBT = "in_doubt"
    ABSENT = "absent"
    READY = "ready"
    CLAIMED = "claimed"
    HELD = "held"
    REVOKING = "revoking"
    REVOKED = "revoked"


class Transition(enum.StrEnum):
    CALL = "call"
    AWAIT_PASTE = "await_paste"
    PASTE = "paste"
    REFUSE = "refuse"
    ANSWER = "answer"
    LOSE_ANSWER = "lose_answer"
    LOSE_SECRET = "lose_secret"  # noqa: S105 - a move
    CLAIM = "claim"
    STORE = "store"
    REVOKE = "revoke"
    FIND = "find"
    FIND_ABSENT = "find_absent"
    CANCEL = "cancel"
    CONFIRM_REVOKED = "confirm_revoked"
    REAPPEAR = "reappear"
    VANISH = "vanish"
    KEEP = "keep"


TRANSITIONS: dict[Transition, tuple[frozenset[State], State]] = {
    Transition.CALL: (frozenset({State.REQUESTED}), State.CALLING),
    Transition.AWAIT_PASTE: (frozenset({State.REQUESTED}), State.AWAITED),
    Transition.PASTE: (frozenset({State.AWAITED}), State.CLAIMED),
    Transition.CANCEL: (frozenset({State.REQUESTED, State.AWAITED}), State.ABSENT),
    Transition.REFUSE: (frozenset({State.CALLING}), State.REFUSED),
    Transition.ANSWER: (frozenset({State.CALLING}), State.READY),
    Transition.LOSE_ANSWER: (frozenset({State.CALLING}), State.IN_DOUBT),
    Transition.LOSE_SECRET: (frozenset({State.CALLING}), State.REVOKING),
    Transition.FIND: (frozenset({State.IN_DOUBT}), State.REVOKING),
    Transition.FIND_ABSENT: (frozenset({State.IN_DOUBT}), State.ABSENT),
    Transition.CLAIM: (frozenset({State.READY}), State.CLAIMED),
    Transition.STORE: (frozenset({State.CLAIMED}), State.HELD),
    Transition.REVOKE: (frozenset({State.READY, State.CLAIMED, State.HELD}), State.REVOKING),
    Transition.CONFIRM_REVOKED: (frozenset({State.REVOKING}), State.REVOKED),
    Transition.REAPPEAR: (frozenset({State.ABSENT, State.REFUSED, State.REVOKED}), State.REVOKING),
    Transition.VANISH: (frozenset({State.READY, State.CLAIMED, State.HELD}), State.REVOKED),
    Transition.KEEP: (
        frozenset({State.IN_DOUBT, State.READY, State.CLAIMED, State.ABSENT, State.REFUSED, State.REVOKED}),
        State.HELD,
    ),
}


class Phase(enum.IntEnum):
    """What a state means to the inventory, in the order the Status column sorts by."""

    PENDING = 1
    LIVE = 2
    REMOVED = 3
    FAILED = 4


PHASE: dict[State, Phase] = {
    State.REQUESTED: Phase.PENDING,
    State.AWAITED: Phase.PENDING,
    State.CALLING: Phase.PENDING,
    State.IN_DOUBT: Phase.PENDING,
    State.READY: Phase.LIVE,
    State.CLAIMED: Phase.LIVE,
    State.HELD: Phase.LIVE,
    State.REVOKING: Phase.REMOVED,
    State.REVOKED: Phase.REMOVED,
    State.REFUSED: Phase.FAILED,
    State.ABSENT: Phase.FAILED,
}


class Status(enum.StrEnum):
    """What people see."""

    PENDING = "pending"
    ACTIVE = "active"
    EXPIRED = "expired"
    REMOVED = "removed"
    FAILED = "failed"

    @property
    def label(self) -> str:
        return self.value.capitalize()


def status(phase: int, expires_at: datetime, now: datetime) -> Status:
    if phase == Phase.LIVE:
        return Status.ACTIVE if expires_at > now else Status.EXPIRED
    return _STATUS_OF_PHASE[phase]


_STATUS_OF_PHASE: dict[int, Status] = {
    Phase.PENDING: Status.PENDING,
    Phase.REMOVED: Status.REMOVED,
    Phase.FAILED: Status.FAILED,
}

HOLDS_ITS_NAME = frozenset(
    {State.REQUESTED, State.AWAITED, State.CALLING, State.READY, State.CLAIMED, State.HELD}
)
"""States in which no other key may have the same name; a lost request does not stand in the way."""

ENDED = frozenset({State.REFUSED, State.ABSENT, State.REVOKED})
"""States in which nothing is left to delete."""

CAVEAT: dict[State, str] = {
    State.READY: "storage unconfirmed",
    State.CLAIMED: "storage unconfirmed",
    State.REVOKING: "removal unconfirmed",
    State.IN_DOUBT: "answer lost",
    State.AWAITED: "not pasted yet",
}
"""What must be said beside the status, because the status alone would promise too much."""

REVEAL_WITHIN = timedelta(minutes=15)
"""How long the one view waits for its tab."""

LEASE = timedelta(seconds=60)
"""How long one call to Cerby may hold a key in CALLING before others may look after it."""

SETTLED_AFTER = timedelta(minutes=15)
"""How long after its lease a lost create may still turn up; before that, absence proves nothing."""

NEVER_CALLED_AFTER = timedelta(minutes=2)
"""A request that no process has taken up by then is dead: nothing was sent."""

PASTED_WITHIN = timedelta(hours=24)
"""How long a request waits for its key to be made by hand in Cerby's web app and pasted."""

UNCONFIRMED_AFTER = timedelta(hours=72)
"""How long a viewed key may wait for somebody to say that it is stored."""

LOOK_AGAIN_AFTER = timedelta(seconds=30)
"""How long to wait before asking Cerby once more."""

DUE_AFTER: dict[State, timedelta | None] = {
    State.REQUESTED: NEVER_CALLED_AFTER,
    State.AWAITED: PASTED_WITHIN,
    State.CALLING: LEASE,
    State.IN_DOUBT: timedelta(),
    State.READY: REVEAL_WITHIN,
    State.CLAIMED: UNCONFIRMED_AFTER,
    State.REVOKING: timedelta(),
    State.HELD: None,
    State.REVOKED: None,
    State.REFUSED: None,
    State.ABSENT: None,
}
"""How long after a key enters a state somebody must look at it again; None: it may rest there."""

QUICK_RETRIES = 6
_FIRST_RETRY = timedelta(seconds=10)
_SLOW_RETRY = timedelta(hours=1)


def retry_after(attempts: int) -> timedelta:
    """The pause after so many failed attempts to revoke: 10 s x 2**n six times, then hourly."""
    return _FIRST_RETRY * 2 ** (attempts - 1) if attempts <= QUICK_RETRIES else _SLOW_RETRY


def due_at(state: State, now: datetime) -> datetime | None:
    """When somebody must look at a key that enters ``state`` at ``now``."""
    after = DUE_AFTER[state]
    return None if after is None else now + after
