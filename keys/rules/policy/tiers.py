"""Rate scopes and keys by how much harm they can do."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping

from keys.rules.permissions import HIGHEST, Role
from keys.rules.scopes import CATALOGUE, reach


class Tier(enum.IntEnum):
    """How much harm a key can do, least first. ``CRITICAL``: a high key of an Owner or Super Admin."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    @property
    def label(self) -> str:
        return self.name.capitalize()


_LOW = {"read:activities", "read:automations", "read:integrations"}
_MEDIUM = {"read:users", "read:items", "read:items:accounts", "read:vaults", "read:teams"}


def _default(scope: str) -> Tier:
    return Tier.LOW if scope in _LOW else Tier.MEDIUM if scope in _MEDIUM else Tier.HIGH


TIERS: dict[str, Tier] = {scope: _default(scope) for scope in CATALOGUE}
"""The tier of each scope. Reading secrets, writing and deleting are high."""


def tier_of(scopes: Iterable[str], owner_role: int, tiers: Mapping[str, Tier]) -> Tier:
    """Return the highest tier of the scopes, or one more if the owner is an Owner or Super Admin.

    "Read items" includes reading secrets, so it is high. Scopes that the portal does not know are high, too,
    and so is a key without known scopes.
    """
    highest = max((tiers.get(scope, Tier.HIGH) for scope in reach(scopes)), default=Tier.HIGH)
    return Tier(highest + 1) if Role(owner_role) in HIGHEST else highest
