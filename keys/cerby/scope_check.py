"""Compare what a key opens with what was asked for. Pure: probes in, a verdict out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from keys.cerby import PROBES, Access, Probe
from keys.rules.scopes import in_order, reach


@dataclass(frozen=True)
class ScopeCheck:
    """What the probes say of a key, in scope identifiers, in the catalogue's order.

    ``wider``: one entry for each thing that is open and was not asked for: the scopes that open it, of
    which the key holds one. ``missing``: asked for, and certainly not granted. ``unchecked``: asked
    for, and no published read tells. ``accepted``: Cerby answered a read, so the key is a live one.
    """

    granted: list[str]
    wider: list[list[str]]
    missing: list[str]
    unchecked: list[str]
    accepted: bool

    @property
    def may_be_dead(self) -> bool:
        """Nothing opened, and something that was asked for should have: Cerby does not know the key."""
        return not self.accepted and bool(self.missing)


def check_scopes_granted(asked: Iterable[str], seen: Mapping[Probe, Access]) -> ScopeCheck:
    """Whether a key with the accesses ``seen`` is the one that ``asked`` describes.

    Where a key could hold either of two scopes that open the same, the one that was asked for is taken
    to be it: "Read items" cannot be told from "Read accounts" and "Read secrets" together.
    """
    wanted = list(asked)
    reached = reach(wanted)
    opened = {one for one in PROBES if seen[one] is Access.OPEN}
    missing = {scope for scope in wanted if _is_missing(scope, seen)}
    certain = {scope for scope in wanted if _is_certain(scope, seen)}
    return ScopeCheck(
        granted=in_order(set(wanted) - missing),
        wider=_unexplained(opened, reached),
        missing=in_order(missing),
        unchecked=in_order(set(wanted) - missing - certain),
        accepted=bool(opened),
    )


def _unexplained(opened: set[Probe], reached: frozenset[str]) -> list[list[str]]:
    found: list[list[str]] = []
    for one in PROBES:
        if one in opened and not (one.opened_by | one.perhaps_by) & reached:
            scopes = in_order(one.opened_by or one.perhaps_by)
            if not any(set(scopes) & set(named) for named in found):
                found.append(scopes)
    return found


def _is_missing(scope: str, seen: Mapping[Probe, Access]) -> bool:
    return any(scope in one.opened_by and seen[one] is Access.CLOSED for one in PROBES)


def _is_certain(scope: str, seen: Mapping[Probe, Access]) -> bool:
    return any(scope in one.opened_by and seen[one] is Access.OPEN for one in PROBES)
