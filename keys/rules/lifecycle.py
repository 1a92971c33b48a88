"""Define the life of a key: its states, the transitions between them and the status that people see.

    REQUESTED --call--> CALLING --answer--> READY --claim--> CLAIMED --store--> HELD
    REQUESTED --await_paste--> AWAITED --paste--> CLAIMED     generated in Cerby's web app
    REQUESTED, AWAITED --cancel--> ABSENT   Cerby was never asked, or nothing was pasted
    CALLING --refuse--> REFUSED             never sent, 4xx or 429: Cerby made no key
    CALLING --lose_answer--> IN_DOUBT       no clear answer: Cerby may have made a key
    CALLING --lose_secret--> REVOKING       Cerby made a key, but its plain text did not arrive
    IN_DOUBT --find--> REVOKING             Cerby lists the key
    IN_DOUBT --find_absent--> ABSENT        Cerby doesn't list it, after waiting long enough
    READY, CLAIMED, HELD --revoke--> REVOKING --confirm_revoked--> REVOKED
    ABSENT, REFUSED, REVOKED --reappear--> REVOKING     Cerby lists it as live nevertheless
    READY, CLAIMED, HELD --vanish--> REVOKED            somebody removed it in Cerby, or a person says so
    IN_DOUBT, READY, CLAIMED, ABSENT, REFUSED, REVOKED --keep--> HELD    a person says that it is in use
    HELD --withdraw--> WITHDRAWN            it was registered by mistake; nothing happens in Cerby

Some transitions are due after a time in a state (``DUE_AFTER``); keys.actions.keys.reconcile makes them.
Each transition is one conditional UPDATE (keys.actions.transition), with its audit event in the same
transaction. docs/generate-a-key.md follows a key through its states.
"""

from __future__ import annotations

import enum
from datetime import UTC, datetime, timedelta


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
    WITHDRAWN = "withdrawn"


class Transition(enum.StrEnum):
    CALL = "call"
    AWAIT_PASTE = "await_paste"
    PASTE = "paste"
    REFUSE = "refuse"
    ANSWER = "answer"
    LOSE_ANSWER = "lose_answer"
    LOSE_SECRET = "lose_secret"  # noqa: S105 - a transition
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
    WITHDRAW = "withdraw"


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
    Transition.WITHDRAW: (frozenset({State.HELD}), State.WITHDRAWN),
}


class Phase(enum.IntEnum):
    """Groups of states for the inventory, in the order of the Status column."""

    WITHDRAWN = 0
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
    State.WITHDRAWN: Phase.WITHDRAWN,
}


class Status(enum.StrEnum):
    """The status of a key that people see."""

    PENDING = "pending"
    ACTIVE = "active"
    EXPIRED = "expired"
    REMOVED = "removed"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"

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
    Phase.WITHDRAWN: Status.WITHDRAWN,
}

HOLDS_ITS_NAME = frozenset(
    {State.REQUESTED, State.AWAITED, State.CALLING, State.READY, State.CLAIMED, State.HELD}
)
"""States in which no other key may have the same name. A lost request doesn't block its name."""

ENDED = frozenset({State.REFUSED, State.ABSENT, State.REVOKED, State.WITHDRAWN})
"""States of keys that no longer exist in Cerby, or that are not in the inventory any more (WITHDRAWN), so
that there is nothing to delete."""

CAVEAT: dict[State, str] = {
    State.READY: "storage unconfirmed",
    State.CLAIMED: "storage unconfirmed",
    State.REVOKING: "removal unconfirmed",
    State.IN_DOUBT: "answer lost",
    State.AWAITED: "not pasted yet",
}
"""Notes shown beside the status of keys in states about which the status alone would be misleading."""

EXPIRY_NOT_KNOWN = datetime(9999, 1, 1, tzinfo=UTC)
"""The expiry of a key of which only the name is known. It sorts after all others and is never reached."""

AGENT_LIFE = timedelta(days=30)
"""How long the key of an agent may be valid. The column ``agent_outside`` of keys contains it, too."""
REVEAL_WITHIN = timedelta(minutes=15)
"""How long a new key can be viewed."""

LEASE = timedelta(seconds=60)
"""How long a key stays in CALLING for one call to Cerby before the reconciler may take over."""

SETTLED_AFTER = timedelta(minutes=15)
"""How long after its lease a lost key may still appear in Cerby's list."""

NEVER_CALLED_AFTER = timedelta(minutes=2)
"""How long a request waits for its process. After that, the process has died and nothing was sent."""

PASTED_WITHIN = timedelta(hours=24)
"""How long a request waits until its key is generated in Cerby's web app and pasted."""

UNCONFIRMED_AFTER = timedelta(hours=72)
"""How long a viewed key waits until its owner confirms that it is stored."""

LOOK_AGAIN_AFTER = timedelta(seconds=30)
"""How long to wait before asking Cerby again."""

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
    State.WITHDRAWN: None,
}
"""How long a key may stay in a state before the reconciler must check it; None: without limit."""

QUICK_RETRIES = 6
_FIRST_RETRY = timedelta(seconds=10)
_SLOW_RETRY = timedelta(hours=1)


def retry_after(attempts: int) -> timedelta:
    """Return the pause after failed attempts to revoke: 10 s, doubled five times, then an hour."""
    return _FIRST_RETRY * 2 ** (attempts - 1) if attempts <= QUICK_RETRIES else _SLOW_RETRY


def due_at(state: State, now: datetime) -> datetime | None:
    """Return when the reconciler must check a key that enters ``state`` at ``now``."""
    after = DUE_AFTER[state]
    return None if after is None else now + after
