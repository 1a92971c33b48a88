"""Say what speaks against the approval of a policy, or of an exception from it."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Against(enum.StrEnum):
    """A reason against an approval, as a sentence."""

    DECIDED = "This is already decided."
    OWN = "You proposed this policy, so another Owner or Super Admin must approve it."
    CHANGED = "The document of this version was changed in the database. Decline it."
    OUTDATED = "Another version has come into force since this one was proposed. Propose it again."
    UNSEEN = "The answer has changed since you saw the preview."
    ASKED = "You asked for this exception, so another Owner or Super Admin must grant it."
    OWNED = "You own this key, so another Owner or Super Admin must grant the exception."


@dataclass(frozen=True)
class Proposal:
    """What the approval of a version depends on, besides the preview."""

    author: int
    is_open: bool
    is_intact: bool
    base: int
    in_force: int

    def against(self, approver: int) -> list[Against]:
        """Return the reasons against an approval by this person, without a look at the preview."""
        reasons = {
            Against.DECIDED: not self.is_open,
            Against.OWN: approver == self.author,
            Against.CHANGED: not self.is_intact,
            Against.OUTDATED: self.base != self.in_force,
        }
        return [reason for reason, is_so in reasons.items() if is_so]


@dataclass(frozen=True)
class Asked:
    """What granting an exception depends on."""

    asked_by: int
    owner: int
    is_open: bool

    def against(self, approver: int) -> list[Against]:
        reasons = {
            Against.DECIDED: not self.is_open,
            Against.ASKED: approver == self.asked_by,
            Against.OWNED: approver == self.owner,
        }
        return [reason for reason, is_so in reasons.items() if is_so]


NOT_ALLOWED = frozenset({Against.OWN, Against.ASKED, Against.OWNED})
"""The reasons that lie in the person. The others lie in what has happened meanwhile."""
