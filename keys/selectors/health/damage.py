"""What the last verification found, and what people have said of it. The record itself holds both."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from keys.models import AuditEvent, Verification
from keys.rules.events import Event
from keys.tlog.leaf import ERASED

LOOKED_AT = 200
"""Explanations, the newest first: more of them have another trouble than to be found here."""


@dataclass(frozen=True)
class Explanation:
    who: str
    at: datetime
    words: str


@dataclass(frozen=True)
class Found:
    """One kind of damage, where it shows first. ``name`` is what an explanation names."""

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
    """The newest that has come to its end."""
    return Verification.objects.filter(finished_at__isnull=False).order_by("-id").first()


def last_whole_verification() -> Verification | None:
    """The newest that has read everything: what it found is not taken back by one that broke off."""
    return Verification.objects.filter(finished_at__isnull=False, failure="").order_by("-id").first()


def found_by(verification: Verification | None) -> list[Found]:
    """What it found, in the order in which it was kept: the earliest event first."""
    damage: list[dict[str, Any]] = verification.damage if verification else []
    named = {damage_name(each["kind"], each["where"], each["times"]): each for each in damage}
    said = explanations(named)
    return [Found(name, **each, explanation=said.get(name)) for name, each in named.items()]


def unexplained(verification: Verification | None) -> list[str]:
    """The names of what it found and nobody has explained."""
    return [found.name for found in found_by(verification) if found.explanation is None]


def explanations(names: Collection[str]) -> dict[str, Explanation]:
    """The newest explanation of each of ``names`` that has one."""
    if not names:
        return {}
    events = AuditEvent.objects.filter(type=Event.DAMAGE_EXPLAINED).order_by("-at", "-id")
    said: dict[str, Explanation] = {}
    for who, at, details in events.values_list("actor_name", "at", "details")[:LOOKED_AT]:
        for name in details["damage"]:
            if name in names:
                said.setdefault(name, Explanation(who or ERASED, at, details["explanation"]))
    return said
