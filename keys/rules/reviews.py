"""Define the life of a review campaign, and the guards on every step: no database.

    FREEZING --open--> OPEN --close--> CLOSED --sign--> SIGNED

An item of an open campaign is decided by its reviewer. Silence is never an answer: an item that is still
undecided when the campaign is due is escalated once, and ``GRACE`` later it becomes "not certified".

Each guard has a name and stands alone, so that the model check can remove each of them once and see that a
promise of docs/reviews.md breaks.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVarTuple

from keys.rules.permissions import HIGHEST, Role
from keys.rules.scopes import widens

Facts = TypeVarTuple("Facts")

MOST_ITEMS = 100_000
MOST_IN_BULK = 25
GRACE = timedelta(days=7)
"""How long after the escalation an item may stay undecided."""
TOO_FAST = timedelta(seconds=3)
CADENCES = (30, 90, 180, 365)


class CampaignState(enum.StrEnum):
    FREEZING = "freezing"
    OPEN = "open"
    CLOSED = "closed"
    SIGNED = "signed"

    @property
    def label(self) -> str:
        return _STATE_LABELS[self]


_STATE_LABELS = {
    CampaignState.FREEZING: "Being prepared",
    CampaignState.OPEN: "Open",
    CampaignState.CLOSED: "Waits for sign-off",
    CampaignState.SIGNED: "Signed off",
}


class Decision(enum.StrEnum):
    KEEP = "keep"
    NARROW = "narrow"
    ROTATE = "rotate"
    REMOVE = "remove"
    NOT_CERTIFIED = "not_certified"  # nobody decided in time: no person can choose this

    @property
    def label(self) -> str:
        return self.value.replace("_", " ").capitalize()


TO_DO = (Decision.NARROW, Decision.ROTATE, Decision.REMOVE)
"""The decisions after which somebody must change the key."""


class Comparison(enum.StrEnum):
    """How an item compares with the same key in the last campaign."""

    NEW = "new"
    CHANGED = "changed"
    SAME = "same"


class Void(enum.StrEnum):
    """Why a key that was reviewed is not certified."""

    WIDER = "wider"
    OWNER = "owner"
    UNDECIDED = "undecided"

    @property
    def label(self) -> str:
        return _VOID_LABELS[self]


_VOID_LABELS = {
    Void.WIDER: "its scopes were widened",
    Void.OWNER: "it has another owner",
    Void.UNDECIDED: "nobody decided about it in the review",
}


@dataclass(frozen=True)
class Snapshot:
    """The values of a key that a reviewer judges, as they were when the campaign was frozen.

    ``reach``: how many items the key opens, or None if Cerby did not tell.
    """

    owner: int
    scopes: frozenset[str]
    reach: int | None
    expires_at: datetime
    purpose: str
    findings: frozenset[str]


def compare(now: Snapshot, before: Snapshot | None) -> Comparison:
    """Compare a snapshot with that of the last campaign. The last use does not count: it always changes."""
    if before is None:
        return Comparison.NEW
    return Comparison.SAME if now == before else Comparison.CHANGED


def reviewer_of(candidates: Iterable[int | None], *, owner: int, requester: int | None) -> int | None:
    """Return the first candidate who is neither the key's owner nor its last requester, or None.

    ``candidates``: the people that the campaign's rule names, then the backup, then the admins.
    """
    return next((each for each in candidates if each is not None and each not in (owner, requester)), None)


@dataclass(frozen=True)
class Item:
    """An item as it is now. ``owner`` and ``requester`` are those of the key today, not of the snapshot."""

    campaign: CampaignState
    reviewer: int | None
    owner: int
    requester: int | None
    decision: Decision | None
    has_finding: bool
    comparison: Comparison
    escalated: bool = False


@dataclass(frozen=True)
class Deciding:
    """One answer of a person. ``together``: how many items get this answer at once, 0 if it is one alone."""

    person: int
    decision: Decision
    sentence: str = ""
    together: int = 0


@dataclass(frozen=True)
class HandingOver:
    """The answer "Not mine": ``to`` becomes the reviewer.

    ``leads``: the person is an Owner or a Super Admin, who may also move an item that has no reviewer, or
    that the reviewer has not decided in time.
    """

    person: int
    to: int
    reason: str
    leads: bool = False


@dataclass(frozen=True)
class SigningOff:
    """``reviewed``: how many items of the campaign the person has decided."""

    campaign: CampaignState
    role: Role
    reviewed: int


@dataclass(frozen=True)
class Guard(Generic[*Facts]):
    """A condition for a step, and the sentence for a person if it does not hold."""

    name: str
    holds: Callable[[*Facts], bool]
    sentence: str


_OPEN = "This campaign is not open for decisions."
_DECIDED = "This item is decided already. Reload the page."
_OTHER_REVIEWER = "This item is assigned to another reviewer."

DECIDE: tuple[Guard[Item, Deciding], ...] = (
    Guard("open", lambda item, _: item.campaign is CampaignState.OPEN, _OPEN),
    Guard("undecided", lambda item, _: item.decision is None, _DECIDED),
    Guard("by a person", lambda _, ask: ask.decision is not Decision.NOT_CERTIFIED, "Choose a decision."),
    Guard("reviewer", lambda item, ask: item.reviewer == ask.person, _OTHER_REVIEWER),
    Guard(
        "not the owner",
        lambda item, ask: item.owner != ask.person,
        "You own this API key, so another person must review it. Choose “Not mine”.",
    ),
    Guard(
        "not the requester",
        lambda item, ask: item.requester != ask.person,
        "You requested this API key, so another person must review it. Choose “Not mine”.",
    ),
    Guard(
        "sentence",
        lambda item, ask: (
            not (item.has_finding and ask.decision is Decision.KEEP and not ask.sentence.strip())
        ),
        "This API key has a finding. Enter a sentence that says why it is to be kept.",
    ),
    Guard(
        "bulk is keep",
        lambda _, ask: not ask.together or ask.decision is Decision.KEEP,
        "Only Keep can be chosen for several items at once.",
    ),
    Guard(
        "bulk is unchanged",
        lambda item, ask: not ask.together or item.comparison is Comparison.SAME,
        "An API key that is new or changed since the last campaign must be decided alone.",
    ),
    Guard(
        "bulk has no finding",
        lambda item, ask: not (ask.together and item.has_finding),
        "An API key with a finding must be decided alone.",
    ),
    Guard(
        "bulk is small",
        lambda _, ask: ask.together <= MOST_IN_BULK,
        f"At most {MOST_IN_BULK} items can be kept at once.",
    ),
)

HAND_OVER: tuple[Guard[Item, HandingOver], ...] = (
    Guard("open", lambda item, _: item.campaign is CampaignState.OPEN, _OPEN),
    Guard("undecided", lambda item, _: item.decision is None, _DECIDED),
    Guard(
        "reviewer",
        lambda item, ask: (
            item.reviewer == ask.person or (ask.leads and (item.reviewer is None or item.escalated))
        ),
        _OTHER_REVIEWER,
    ),
    Guard("reason", lambda _, ask: bool(ask.reason.strip()), "Enter a reason."),
    Guard(
        "not to the owner",
        lambda item, ask: ask.to != item.owner,
        "This person owns the API key. Choose another reviewer.",
    ),
    Guard(
        "not to the requester",
        lambda item, ask: ask.to != item.requester,
        "This person requested the API key. Choose another reviewer.",
    ),
)

SIGN: tuple[Guard[SigningOff], ...] = (
    Guard(
        "closed",
        lambda ask: ask.campaign is CampaignState.CLOSED,
        "Only a closed campaign that nobody has signed off can be signed off.",
    ),
    Guard("role", lambda ask: ask.role in HIGHEST, "Only an Owner or a Super Admin can sign off."),
    Guard(
        "reviewed nothing",
        lambda ask: ask.reviewed == 0,
        "You have reviewed items of this campaign, so another person must sign it off.",
    ),
)

ESCALATE: tuple[Guard[Item, timedelta], ...] = (
    Guard("open", lambda item, _: item.campaign is CampaignState.OPEN, _OPEN),
    Guard("undecided", lambda item, _: item.decision is None, _DECIDED),
    Guard("due", lambda _, late: late >= timedelta(), "The campaign is not due."),
    Guard("once", lambda item, _: not item.escalated, "The item was escalated already."),
)

GIVE_UP: tuple[Guard[Item, timedelta], ...] = (
    Guard("undecided", lambda item, _: item.decision is None, _DECIDED),
    Guard("escalated", lambda item, _: item.escalated, "The item was never escalated."),
    Guard("grace", lambda _, late: late >= GRACE, "There is still time to decide."),
)


def why_refused(guards: tuple[Guard[*Facts], ...], *facts: *Facts) -> str | None:
    """Return the sentence of the first guard that does not hold for these facts, or None."""
    return next((guard.sentence for guard in guards if not guard.holds(*facts)), None)


def may_close(decisions: Iterable[Decision | None]) -> bool:
    """Return whether every item of an open campaign has an outcome."""
    return all(decision is not None for decision in decisions)


def why_void(before: Snapshot, owner: int, scopes: Iterable[str]) -> Void | None:
    """Return why the certificate of a key with these values is void, or None if it is valid."""
    if owner != before.owner:
        return Void.OWNER
    return Void.WIDER if widens(before.scopes, scopes) else None
