"""Define requests: acts that other people must approve before they are done, as pure functions.

A request freezes the act as a document, canonical JSON, whose hash each verdict names.

    OPEN --approve, often enough--> APPROVED --use--> USED
    OPEN --deny--> DENIED
    OPEN, APPROVED --withdraw--> WITHDRAWN     by the requester
    OPEN, APPROVED --go stale--> STALE         something that the approvers relied on has changed
    OPEN, APPROVED --too late--> EXPIRED       computed from the times, never stored

In an emergency, an Owner or Super Admin may go on without approval ("break-glass"). Another person reviews
that later.
"""

from __future__ import annotations

import enum
import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from keys.rules import scopes
from keys.rules.permissions import ADMINS, HIGHEST, Role

DECIDE_WITHIN = timedelta(days=3)
USE_WITHIN = timedelta(hours=24)
"""How long an approved request can be used."""
LONGEST_BREAK_GLASS = timedelta(hours=24)
"""How long a key may be valid that nobody approved."""
REVIEW_WITHIN_WORKING_DAYS = 2
SATURDAY = 5


class RequestKind(enum.StrEnum):
    """What is asked for. The database stores these values."""

    GENERATE = "generate"
    DELETE = "delete"
    KEEP = "keep"
    WIDEN = "widen"

    @property
    def label(self) -> str:
        return _KINDS[self]

    @property
    def is_used_later(self) -> bool:
        """Whether the requester uses the approval themselves. Other acts are done with the last approval."""
        return self in {RequestKind.GENERATE, RequestKind.WIDEN}


_KINDS = {
    RequestKind.GENERATE: "Generate an API key",
    RequestKind.DELETE: "Delete API keys",
    RequestKind.KEEP: "Keep API keys of a person who leaves",
    RequestKind.WIDEN: "Add a scope to an API key",
}


class RequestState(enum.StrEnum):
    OPEN = "open"
    APPROVED = "approved"
    USED = "used"
    DENIED = "denied"
    WITHDRAWN = "withdrawn"
    STALE = "stale"
    EXPIRED = "expired"

    @property
    def label(self) -> str:
        return _STATES[self]


_STATES = {
    RequestState.OPEN: "Waiting for approval",
    RequestState.APPROVED: "Approved",
    RequestState.USED: "Used",
    RequestState.DENIED: "Denied",
    RequestState.WITHDRAWN: "Withdrawn",
    RequestState.STALE: "Out of date",
    RequestState.EXPIRED: "Expired",
}
STORED = tuple(state for state in RequestState if state is not RequestState.EXPIRED)
PENDING = (RequestState.OPEN, RequestState.APPROVED)


def canonical(document: Mapping[str, Any]) -> str:
    """Return the document as JSON with sorted keys and no spaces, so that equal documents have one text."""
    return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def digest_of(text: str) -> str:
    """Return the hash, 64 hexadecimal digits, that verdicts name."""
    return hashlib.sha256(text.encode()).hexdigest()


def words_of(act: Mapping[str, Any]) -> str:
    """Return a frozen act in a few words, such as "delete 12 API keys"."""
    if act["kind"] == RequestKind.GENERATE:
        return f"generate the API key “{act['name']}”"
    if act["kind"] == RequestKind.WIDEN:
        return f"add the scope “{scopes.label(act['scope'])}” to the API key “{act['name']}”"
    count = act.get("count", len(act.get("keys", ())))
    keys = f"{count} API key{'' if count == 1 else 's'}"
    return f"keep {keys} until {act['until']}" if act["kind"] == RequestKind.KEEP else f"delete {keys}"


def state_at(
    stored: RequestState, decide_by: datetime, use_by: datetime | None, now: datetime
) -> RequestState:
    """Return the state, which is EXPIRED if nobody decided, or used the approval, in time."""
    too_late = {RequestState.OPEN: decide_by, RequestState.APPROVED: use_by}.get(stored)
    return RequestState.EXPIRED if too_late is not None and too_late <= now else stored


@dataclass(frozen=True)
class Approver:
    """A person who wants to decide."""

    user_id: int
    role: Role
    is_active: bool = True


@dataclass(frozen=True)
class Asked:
    """The part of a request that says who may decide. ``least_role``: the role of the person whom the act
    concerns: the key's owner. ``decided``: those who have approved it already.
    """

    requester: int
    owner: int
    least_role: Role
    decided: frozenset[int] = frozenset()

    @property
    def least_approver(self) -> Role:
        """The least role of an approver. A workspace has one Owner, for whom a Super Admin can decide."""
        return min(self.least_role, Role.SUPER_ADMIN)


def why_not_decide(person: Approver, asked: Asked) -> str:
    """Return why ``person`` may not decide, or "".

    Nobody is exempt: the requester, the owner and the approvers are different people.
    """
    another = "Another person must decide."
    higher = (
        f"The key would act as a person with the role {asked.least_role.label}, which is higher than yours. "
        f"Somebody with at least the role {asked.least_approver.label} must decide."
    )
    guards = (
        (not person.is_active, "You are no longer an active member of the workspace in Cerby."),
        (person.user_id == asked.requester, f"You asked for it yourself. {another}"),
        (person.user_id == asked.owner, f"The key would act as you. {another}"),
        (person.user_id in asked.decided, f"You have approved it already. {another}"),
        (person.role not in ADMINS, f"Your role, {person.role.label}, may not decide about requests."),
        (person.role < asked.least_approver, higher),
    )
    return next((sentence for forbids, sentence in guards if forbids), "")


def is_approved(approvers: Collection[int], asked: Asked, needed: int) -> bool:
    """Return whether enough different people approved, none of whom is the requester or the owner."""
    return len(set(approvers) - {asked.requester, asked.owner}) >= needed


def why_not_break_glass(role: Role, lasts: timedelta | None) -> str:
    """Return why a person may not go on without approval, or "". ``lasts``: how long the key is valid."""
    if role not in HIGHEST:
        return "Only an Owner or Super Admin may go on without approval."
    if lasts is not None and lasts > LONGEST_BREAK_GLASS:
        return "Without approval, a key may be valid for at most 24 hours. Choose an earlier expiration."
    return ""


def why_not_review(person: Approver, requester: int) -> str:
    """Return why ``person`` may not review a break-glass act, or ""."""
    if person.user_id == requester:
        return "You did it yourself. Another person must review it."
    if not person.is_active or person.role not in ADMINS:
        return f"Your role, {person.role.label}, may not review this."
    return ""


def review_by(at: datetime) -> datetime:
    """Return by when a break-glass act must be reviewed: two working days later."""
    day, left = at, REVIEW_WITHIN_WORKING_DAYS
    while left:
        day += timedelta(days=1)
        left -= day.weekday() < SATURDAY
    return day


def escalate_at(made_at: datetime, decide_by: datetime) -> datetime:
    """Return when the Owner and the Super Admins are told that nobody has decided: after half the time."""
    return made_at + (decide_by - made_at) / 2
