"""The catalogue of scopes, with Cerby's labels and in Cerby's order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Scope:
    """``writes``: the scope can change or delete data. ``published``: Cerby documents its identifier."""

    id: str
    label: str
    description: str
    writes: bool
    published: bool


def _read(identifier: str, label: str, data: str, *, published: bool) -> Scope:
    return Scope(identifier, label, f"Enables reading {data} data.", writes=False, published=published)


def _write(identifier: str, label: str, data: str, *, published: bool) -> Scope:
    return Scope(identifier, label, f"Enables writing {data} data.", writes=True, published=published)


PUBLISHED: tuple[Scope, ...] = (
    _read("read:activities", "Read activities", "activity", published=True),
    _read("read:items", "Read items", "account, secret, and collection", published=True),
    _read("read:items:accounts", "Read accounts", "account", published=True),
    _read("read:items:secrets", "Read secrets", "secret", published=True),
    _read("read:users", "Read users", "user and team", published=True),
    _read("read:integrations", "Read integrations", "integration and entitlement", published=True),
    _write("write:integrations", "Write integrations", "integration and entitlement", published=True),
    _read("read:automations", "Read automated jobs", "automated job", published=True),
    _write("write:automations", "Write automated jobs", "automated job", published=True),
)
"""The nine scopes of Cerby's wizard, in its order (published)."""

EXTRA: tuple[Scope, ...] = (
    _read("read:vaults", "Read vaults", "vault", published=False),
    _read("read:teams", "Read teams", "team", published=False),
    _write("write:items:accounts", "Write accounts", "account", published=False),
    _write("write:items:secrets", "Write secrets", "secret", published=False),
    _write("write:users", "Write users", "user", published=False),
    _write("write:collections", "Write collections", "collection", published=False),
    _write("write:teams", "Write teams", "team", published=False),
    Scope("delete:teams", "Delete teams", "Enables deleting teams.", writes=True, published=False),
)
"""The labels are published by Cerby; the identifiers and descriptions are our own."""

CATALOGUE: dict[str, Scope] = {scope.id: scope for scope in (*PUBLISHED, *EXTRA)}

_INCLUDES = {"read:items": frozenset({"read:items:accounts", "read:items:secrets"})}
"""Published by Cerby: "Read items" enables reading account, secret, and collection data."""


def offered(extra: bool) -> tuple[Scope, ...]:
    """Return the scopes to choose from: the nine published ones, with ``extra`` also the other eight."""
    return (*PUBLISHED, *EXTRA) if extra else PUBLISHED


def label(identifier: str) -> str:
    """Return the label of a scope, or ``identifier`` itself if the scope is unknown."""
    scope = CATALOGUE.get(identifier)
    return scope.label if scope else identifier


def in_order(identifiers: Iterable[str]) -> list[str]:
    """Return each identifier once, in the order of the catalogue, then unknown ones in alphabetical order."""
    given = set(identifiers)
    return [known for known in CATALOGUE if known in given] + sorted(given - CATALOGUE.keys())


def reach(identifiers: Iterable[str]) -> frozenset[str]:
    """Return the scopes and the scopes that they include."""
    given = frozenset(identifiers)
    return given.union(*(_INCLUDES.get(identifier, frozenset()) for identifier in given))


def widens(old: Iterable[str], new: Iterable[str]) -> bool:
    """Return whether ``new`` allows anything that ``old`` doesn't. An unknown scope includes only itself."""
    return not reach(new) <= reach(old)
