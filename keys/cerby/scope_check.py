"""Compare the access that a key has with the scopes that were requested."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from keys.cerby import PROBES, Access, Probe
from keys.rules.scopes import in_order, reach


@dataclass(frozen=True)
class ScopeCheck:
    """The result of the comparison, as scope identifiers in the catalogue's order.

    ``wider``: for each list that is open but was not requested, the scopes that open it; the key has one of
    them. ``missing``: requested but certainly not granted. ``unchecked``: requested, but no published read
    shows it. ``forbidden``, ``absent``: the names of the lists for which Cerby answered 403 and 404.
    ``accepted``: Cerby answered a read with 200 or 403, so the key is live.
    """

    granted: list[str]
    wider: list[list[str]]
    missing: list[str]
    unchecked: list[str]
    accepted: bool
    opened: bool
    forbidden: list[str]
    absent: list[str]

    @property
    def may_be_dead(self) -> bool:
        """Return whether Cerby may not know the key: nothing is open, although something should be."""
        return not self.accepted and bool(self.missing)


def check_scopes_granted(requested: Iterable[str], seen: Mapping[Probe, Access]) -> ScopeCheck:
    """Compare the accesses ``seen`` with the ``requested`` scopes.

    If either of two scopes could have opened a list, assume the requested one: "Read items" cannot be told
    from "Read accounts" and "Read secrets" together.
    """
    wanted = list(requested)
    reached = reach(wanted)
    opened = {one for one in PROBES if seen[one] is Access.OPEN}
    missing = {scope for scope in wanted if _is_missing(scope, seen)}
    certain = {scope for scope in wanted if _is_certain(scope, seen)}
    return ScopeCheck(
        granted=in_order(set(wanted) - missing),
        wider=_unexplained(opened, reached),
        missing=in_order(missing),
        unchecked=in_order(set(wanted) - missing - certain),
        accepted=bool(opened) or Access.FORBIDDEN in seen.values(),
        opened=bool(opened),
        forbidden=[one.list_name for one in PROBES if seen[one] is Access.FORBIDDEN],
        absent=[one.list_name for one in PROBES if seen[one] is Access.ABSENT],
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
