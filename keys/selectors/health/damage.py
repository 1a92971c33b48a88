"""Return the damage that verifications found, and its explanations, which are audit events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from keys.audit.explanations import Explanation, damage_name, explanations
from keys.audit.results import is_changed
from keys.models import AuditEvent, Verification
from keys.rules.events import Event


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


def alarming(verification: Verification | None) -> list[str]:
    """Return the names of the damage without a sealed explanation."""
    return [
        damage.name
        for damage in damage_found_by(verification)
        if damage.explanation is None or not damage.explanation.is_sealed
    ]


def result_was_changed(last: Verification | None, whole: Verification | None = None) -> bool:
    """Return whether the stored result is not the one of the portal, or a newer result was deleted.

    The log has an event for each verification, so a missing row is noticed if its result was another one.
    """
    if any(each is not None and is_changed(each) for each in (last, whole)):
        return True
    verified = AuditEvent.objects.filter(type=Event.RECORD_VERIFIED).order_by("-at", "-id").first()
    if verified is None:
        return False
    names = (
        [damage_name(each["kind"], each["where"], each["times"]) for each in last.damage] if last else None
    )
    return bool(names != verified.details["damage"])
