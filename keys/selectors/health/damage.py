"""Return the damage that verifications found, and its explanations, which are audit events."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from keys.models import AuditEvent, Verification
from keys.rules.events import Event
from keys.tlog.leaf import ERASED

MOST_EXPLANATIONS = 200
"""Only the newest explanations are read."""


@dataclass(frozen=True)
class Explanation:
    who: str
    at: datetime
    words: str


@dataclass(frozen=True)
class Damage:
    """One kind of damage and its first place. Explanations refer to it by ``name``."""

    name: str
    kind: str
    meaning: str
    where: str
    words: str
    times: int
    explanation: Explanation | None


def damage_name(kind: str, where: str, times: int) -> str:
    """Return such as "ROOT at events 6 to 10" or "TIME at event 7, 3 times".

    An explanation names the damage with these words, so it does not cover damage that is found later: if the
    same damage is found once more, the name differs.
    """
    return f"{kind} at {where}" + (f", {times:,} times" if times > 1 else "")


def last_verification() -> Verification | None:
    """Return the newest verification that has ended."""
    return Verification.objects.filter(finished_at__isnull=False).order_by("-id").first()


def last_whole_verification() -> Verification | None:
    """Return the newest verification that read the whole log. An aborted one doesn't replace its findings."""
    return Verification.objects.filter(finished_at__isnull=False, failure="").order_by("-id").first()


def damage_found_by(verification: Verification | None) -> list[Damage]:
    """Return the damage that ``verification`` found, the earliest event first."""
    found: list[dict[str, Any]] = verification.damage if verification else []
    named = {damage_name(each["kind"], each["where"], each["times"]): each for each in found}
    explained = explanations(named)
    return [Damage(name, **each, explanation=explained.get(name)) for name, each in named.items()]


def unexplained(verification: Verification | None) -> list[str]:
    """Return the names of the damage that ``verification`` found and nobody has explained."""
    return [damage.name for damage in damage_found_by(verification) if damage.explanation is None]


def explanations(names: Collection[str]) -> dict[str, Explanation]:
    """Return the newest explanation for each of ``names`` that has one, by name."""
    if not names:
        return {}
    events = AuditEvent.objects.filter(type=Event.DAMAGE_EXPLAINED).order_by("-at", "-id")
    newest: dict[str, Explanation] = {}
    for who, at, details in events.values_list("actor_name", "at", "details")[:MOST_EXPLANATIONS]:
        for name in details["damage"]:
            if name in names:
                newest.setdefault(name, Explanation(who or ERASED, at, details["explanation"]))
    return newest
